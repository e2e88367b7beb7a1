//! Upload of a file to an object store.

use crate::Location;
use crate::location::io_error;
use object_store::{ObjectStoreExt, WriteMultipart};
use std::io::{self, Write};
use tokio::runtime::Handle;

/// Size of a part, in bytes.
const PART: usize = 8 << 20;

/// Parts sent concurrently.
const PARTS: usize = 4;

/// A writer for a thread that may block. The file exists once [`Upload::finish`] has returned; if
/// dropped before, it never does.
#[derive(Debug)]
pub(crate) struct Upload {
    parts: WriteMultipart,
    handle: Handle,
}

impl Upload {
    /// Starts a file.
    pub(crate) fn new(to: &Location) -> io::Result<Self> {
        let handle = Handle::current();
        let begun = handle.block_on(to.store().put_multipart(to.path())).map_err(io_error)?;
        Ok(Self { parts: WriteMultipart::new_with_chunk_size(begun, PART), handle })
    }

    /// Waits until all bytes are in the store.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.handle.block_on(self.parts.finish()).map(drop).map_err(io_error)
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.handle.block_on(self.parts.wait_for_capacity(PARTS)).map_err(io_error)?;
        let _runtime = self.handle.enter();
        self.parts.write(bytes);
        Ok(bytes.len())
    }

    /// Does nothing: a part is sent when it is full; the last one by [`Upload::finish`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
