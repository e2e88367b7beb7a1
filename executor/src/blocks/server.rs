//! Serves the blocks of this executor's volumes, and its pieces of blobs, to its peers: a frame
//! asks, a frame and the bytes answer.
//!
//! Who does not bring the application's token gets one refusal and is disconnected. Requests,
//! connections and the time that a peer may take are bounded.

use super::connection::{Acceptor, Connection};
use crate::blobs::Copies;
use anyhow::Context;
use model::VolumeId;
use proto::{Credentials, Token};
use shuffle::wire::{BlockAnswer, Request, Wanted, frame_length};
use shuffle::{BlockSum, Catalogue, MapOutputReader, OutputAttempt, ReadError};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections served at once; more wait.
const CONNECTIONS: usize = 256;
/// How long a peer may say nothing, and how long it may take to take a piece.
const PATIENCE: Duration = Duration::from_mins(2);
/// Bytes read and sent at a time.
const PIECE: usize = 1 << 20;

/// What peers can have.
#[derive(Debug, Clone)]
pub(crate) struct Stores {
    /// Blocks of map outputs.
    pub catalogue: Arc<Catalogue>,
    /// Pieces of blobs.
    pub copies: Arc<Copies>,
}

/// Answers peers until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where peers reach it: `host:port`.
    pub address: String,
    _serving: JoinSet<()>,
}

impl Server {
    /// Listens on a free port of `host`.
    pub(crate) async fn start(
        host: &str,
        credentials: &Credentials,
        stores: Stores,
    ) -> anyhow::Result<Self> {
        let acceptor = Acceptor::new(credentials.identity.as_ref())?;
        let listener = TcpListener::bind((host, 0))
            .await
            .with_context(|| format!("listening on {host} for peers"))?;
        let address = listener.local_addr()?.to_string();
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, acceptor, credentials.token.clone(), stores));
        Ok(Self { address, _serving: serving })
    }
}

async fn accept(listener: TcpListener, acceptor: Acceptor, token: Token, stores: Stores) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let permit =
            Arc::clone(&room).acquire_owned().await.expect("the semaphore is never closed");
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (acceptor, token) = (acceptor.clone(), token.clone());
                let stores = stores.clone();
                connections.spawn(async move {
                    let served = async {
                        let stream = within(acceptor.accept(stream)).await?;
                        serve(stream, &token, &stores).await
                    };
                    if let Err(error) = served.await {
                        tracing::debug!("peer {peer}: {error}");
                    }
                    drop(permit);
                });
            }
            // Out of descriptors, most likely: some connection will end.
            Err(error) => {
                tracing::warn!("a peer could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(mut stream: Connection, token: &Token, stores: &Stores) -> io::Result<()> {
    while let Some(request) = within(next_request(&mut stream)).await? {
        if !std::str::from_utf8(&request.token).is_ok_and(|given| token.matches(given)) {
            within(stream.write_all(&BlockAnswer::Denied.encode())).await?;
            return within(stream.flush()).await;
        }
        match request.wanted {
            Wanted::Block { volume, output, reader } => {
                answer_block(&mut stream, (volume, output, reader), &stores.catalogue).await?;
            }
            Wanted::Piece { hash, piece } => {
                answer_piece(&mut stream, (hash, piece), &stores.copies).await?;
            }
        }
        within(stream.flush()).await?;
    }
    Ok(())
}

/// The next request; `None` if the peer has gone.
async fn next_request(stream: &mut Connection) -> io::Result<Option<Request>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    };
    let bad = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut frame = vec![0; frame_length(length).map_err(bad)?];
    stream.read_exact(&mut frame).await?;
    Request::decode(&frame).map(Some).map_err(bad)
}

async fn answer_block(
    stream: &mut Connection,
    (volume, output, reader): (VolumeId, OutputAttempt, u32),
    catalogue: &Arc<Catalogue>,
) -> io::Result<()> {
    let Some(mounted) = catalogue.volume(&volume).map(Arc::clone) else {
        let answer = BlockAnswer::NotFound {
            problem: model::BlockProblem::Unreachable,
            message: format!("volume {volume} is not mounted here"),
        };
        return within(stream.write_all(&answer.encode())).await;
    };
    let opened = blocking(move || {
        let output = mounted.open(&output)?;
        let sum = output.block(reader)?;
        Ok::<_, ReadError>((output, sum))
    })
    .await?;
    match opened {
        Err(error) => within(stream.write_all(&BlockAnswer::from(&error).encode())).await,
        Ok((output, sum)) => {
            within(stream.write_all(&BlockAnswer::Found(sum).encode())).await?;
            send(stream, output, reader, sum).await
        }
    }
}

async fn answer_piece(
    stream: &mut Connection,
    (hash, piece): (String, u32),
    copies: &Copies,
) -> io::Result<()> {
    let copy = copies.get(&hash);
    let read = blocking(move || copy.map_or(Ok(None), |copy| copy.read(piece as usize)));
    let Some(bytes) = read.await?? else {
        let answer = BlockAnswer::NotFound {
            problem: model::BlockProblem::Missing,
            message: format!("piece {piece} of blob {hash} is not here"),
        };
        return within(stream.write_all(&answer.encode())).await;
    };
    let found = BlockAnswer::Found(BlockSum::of(&bytes));
    within(stream.write_all(&found.encode())).await?;
    within(stream.write_all(&bytes)).await
}

/// Sends a block piece by piece. Once its length is promised, an error can only end the connection.
async fn send(
    stream: &mut Connection,
    output: Arc<MapOutputReader>,
    reader: u32,
    sum: BlockSum,
) -> io::Result<()> {
    let mut sent = 0;
    while sent < sum.bytes {
        let length = usize::try_from(sum.bytes - sent).unwrap_or(PIECE).min(PIECE);
        let output = Arc::clone(&output);
        let piece = blocking(move || {
            let mut piece = vec![0; length];
            let read = output.read_raw_at(reader, sent, &mut piece)?;
            piece.truncate(read);
            Ok::<_, ReadError>(piece)
        })
        .await?
        .map_err(io::Error::other)?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        within(stream.write_all(&piece)).await?;
        sent += piece.len() as u64;
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
