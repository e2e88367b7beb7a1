//! Fetches blocks and pieces of blobs from peers. Connections are kept and used again; how many
//! bytes may be on their way is bounded.

use super::connection::{Connection, Dialler};
use bytes::Bytes;
use model::launch::PeerPatience;
use proto::{BadIdentity, Credentials, Token};
use shuffle::BlockSum;
use shuffle::wire::{BlockAnswer, Request, Wanted, frame_length};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

/// Bytes on their way at once, in units of `UNIT`; a larger block takes all.
const IN_FLIGHT_UNITS: u32 = 1024;
const UNIT: u64 = 64 << 10;
/// Idle connections kept per peer.
const KEPT: usize = 8;

/// The peers of this executor.
#[derive(Debug)]
pub(crate) struct Peers {
    token: Token,
    dialler: Dialler,
    patience: PeerPatience,
    idle: Mutex<HashMap<String, Vec<Connection>>>,
    in_flight: Arc<Semaphore>,
}

/// A block or a piece of a blob that a peer has.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    /// What to ask for.
    pub wanted: Wanted,
    /// Bytes that it should have.
    pub bytes: u64,
}

/// What a peer answered.
#[derive(Debug)]
pub(crate) enum Fetched {
    /// The block, checked.
    Block(Bytes),
    /// The peer cannot give it, or what came was not what was written.
    Refused {
        /// What is wrong.
        problem: model::BlockProblem,
        /// For people.
        message: String,
    },
}

impl Peers {
    pub(crate) fn new(
        credentials: &Credentials,
        patience: PeerPatience,
    ) -> Result<Self, BadIdentity> {
        Ok(Self {
            token: credentials.token.clone(),
            dialler: Dialler::new(credentials.identity.as_ref())?,
            patience,
            idle: Mutex::default(),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_UNITS as usize)),
        })
    }

    /// Fetches a block from the peer at `address`. An error means that the peer could not be
    /// reached.
    pub(crate) async fn fetch(&self, address: &str, wanted: &Remote) -> io::Result<Fetched> {
        let units = u32::try_from(wanted.bytes / UNIT + 1).unwrap_or(u32::MAX).min(IN_FLIGHT_UNITS);
        let _room =
            self.in_flight.acquire_many(units).await.expect("the semaphore is never closed");
        // A kept connection may have been closed by the peer meanwhile: then a new one is tried.
        if let Some(stream) = self.take(address) {
            match self.ask(address, stream, wanted).await {
                Ok(fetched) => return Ok(fetched),
                // The others would say as little.
                Err(error) if error.kind() == io::ErrorKind::TimedOut => self.forget(address),
                Err(_) => {}
            }
        }
        let stream = within(self.patience.connect, self.dialler.connect(address)).await?;
        self.ask(address, stream, wanted).await
    }

    async fn ask(
        &self,
        address: &str,
        mut stream: Connection,
        wanted: &Remote,
    ) -> io::Result<Fetched> {
        let Remote { wanted, bytes } = wanted;
        let token = self.token.secret().as_bytes().to_vec();
        let request = Request { token, wanted: wanted.clone() };
        let silence = self.patience.silence;
        within(silence, stream.write_all(&request.encode().map_err(io::Error::other)?)).await?;
        within(silence, stream.flush()).await?;
        let fetched = match within(silence, head(&mut stream)).await? {
            BlockAnswer::Found(sum) if sum.bytes == *bytes => {
                let block = body(&mut stream, sum.bytes, silence).await?;
                if BlockSum::of(&block) == sum {
                    Fetched::Block(block.into())
                } else {
                    damaged(format!(
                        "{wanted:?} from {address} has another checksum than when it was written"
                    ))
                }
            }
            BlockAnswer::Found(sum) => {
                return Ok(damaged(format!(
                    "{wanted:?} has {} bytes instead of {bytes}",
                    sum.bytes
                )));
            }
            BlockAnswer::NotFound { problem, message } => Fetched::Refused { problem, message },
            BlockAnswer::Denied => {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    "the peer refused the token",
                ));
            }
        };
        self.keep(address, stream);
        Ok(fetched)
    }

    fn take(&self, address: &str) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_mut(address)?.pop()
    }

    fn forget(&self, address: &str) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).remove(address);
    }

    fn keep(&self, address: &str, stream: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(address.to_owned()).or_default();
        if kept.len() < KEPT {
            kept.push(stream);
        }
    }
}

fn damaged(message: String) -> Fetched {
    Fetched::Refused { problem: model::BlockProblem::Damaged, message }
}

async fn head(stream: &mut Connection) -> io::Result<BlockAnswer> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let bad = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut frame = vec![0; frame_length(length).map_err(bad)?];
    stream.read_exact(&mut frame).await?;
    BlockAnswer::decode(&frame).map_err(bad)
}

/// The bytes of a block. Room is made as they come, so that a wrong length costs nothing.
async fn body(stream: &mut Connection, length: u64, silence: Duration) -> io::Result<Vec<u8>> {
    let mut block = Vec::with_capacity(usize::try_from(length.min(8 << 20)).unwrap_or_default());
    let mut part = stream.take(length);
    while (block.len() as u64) < length {
        if within(silence, part.read_buf(&mut block)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(block)
}

async fn within<T>(patience: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(patience, work)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
