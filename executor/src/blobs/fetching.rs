//! The task that talks with the driver about blobs: it asks for those that are wanted, and gets
//! pieces from where it is told.

use super::Sources;
use super::copies::{Copies, Copy};
use crate::blocks::{Fetched, Remote};
use crate::link::{PING_INTERVAL, PING_PATIENCE};
use futures::StreamExt;
use pb::from_holder::Message as From;
use pb::to_holder::Message as To;
use proto::pb;
use proto::pb::executors_client::ExecutorsClient;
use shuffle::BlockSum;
use shuffle::wire::Wanted;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;

/// How long a blob may make no progress.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How long connecting may take.
const CONNECTING: Duration = Duration::from_secs(30);

type Answer = oneshot::Sender<Result<PathBuf, String>>;

/// Somebody wants the file of a blob.
pub(super) struct Want {
    pub hash: String,
    pub answer: Answer,
}

/// The state of the task.
pub(super) struct Fetching {
    sources: Sources,
    copies: Arc<Copies>,
    /// Who waits for which blob.
    waiting: BTreeMap<String, Waiting>,
    stream: Option<Stream>,
    pieces: JoinSet<Piece>,
}

struct Waiting {
    answers: Vec<Answer>,
    /// When something of it last came.
    progress: Instant,
}

struct Stream {
    out: mpsc::UnboundedSender<pb::FromHolder>,
    told: tonic::Streaming<pb::ToHolder>,
}

/// A piece that was to be fetched and stored.
struct Piece {
    name: pb::PieceName,
    copy: Arc<Copy>,
    stored: Result<(), Problem>,
}

enum Problem {
    /// The executor with this number did not give it.
    Refused(u64),
    /// It cannot be stored.
    Broken(String),
}

impl Fetching {
    pub(super) fn new(sources: Sources, copies: Arc<Copies>) -> Self {
        let (waiting, pieces) = (BTreeMap::new(), JoinSet::new());
        Self { sources, copies, waiting, stream: None, pieces }
    }

    /// Works until nobody can want anything any more.
    pub(super) async fn run(mut self, mut wants: mpsc::UnboundedReceiver<Want>) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                want = wants.recv() => match want {
                    Some(want) => self.want(want).await,
                    None => return,
                },
                told = next(&mut self.stream) => match told {
                    Ok(message) => self.told(message),
                    Err(reason) => self.break_off(&reason),
                },
                Some(piece) = self.pieces.join_next(), if !self.pieces.is_empty() => {
                    if let Ok(piece) = piece {
                        self.stored(piece);
                    }
                }
                _ = look.tick(), if !self.waiting.is_empty() => self.give_up(),
            }
        }
    }

    async fn want(&mut self, Want { hash, answer }: Want) {
        if let Some(copy) = self.copies.get(&hash).filter(|copy| copy.is_whole()) {
            // Whoever has gone does not want it any more.
            let _ = answer.send(Ok(copy.path().to_owned()));
            return;
        }
        let is_new = !self.waiting.contains_key(&hash);
        let waiting = self
            .waiting
            .entry(hash.clone())
            .or_insert_with(|| Waiting { answers: Vec::new(), progress: Instant::now() });
        waiting.answers.push(answer);
        if self.stream.is_none() {
            match self.connect().await {
                Ok(stream) => self.stream = Some(stream),
                Err(reason) => return self.break_off(&reason),
            }
        }
        if is_new {
            self.say(From::Want(hash));
        }
    }

    async fn connect(&self) -> Result<Stream, String> {
        let Sources { credentials, driver, block_address, .. } = &self.sources;
        let failed = |error: &dyn fmt::Display| format!("fetching blobs from {driver}: {error}");
        let (out, outgoing) = mpsc::unbounded_channel();
        let hello =
            pb::HolderHello { block_address: block_address.clone(), hashes: self.copies.whole() };
        let hello = self.message(From::Hello(hello));
        out.send(hello).expect("its receiver is below");
        let connected = async {
            let endpoint = credentials.endpoint(driver).map_err(|error| failed(&error))?;
            let endpoint = endpoint
                .tcp_nodelay(true)
                .http2_keep_alive_interval(PING_INTERVAL)
                .keep_alive_timeout(PING_PATIENCE);
            let channel = endpoint.connect().await;
            let channel = channel.map_err(|error| failed(&error))?;
            let mut client = ExecutorsClient::with_interceptor(channel, credentials.token.sender())
                .max_decoding_message_size(proto::MESSAGE_LIMIT);
            let told = client.share_blobs(UnboundedReceiverStream::new(outgoing)).await;
            told.map_err(|status| failed(&status.message()))
        };
        let told = tokio::time::timeout(CONNECTING, connected).await;
        let told = told.map_err(|_| failed(&"it does not answer"))??.into_inner();
        Ok(Stream { out, told })
    }

    fn message(&self, message: From) -> pb::FromHolder {
        pb::FromHolder { epoch: self.sources.epoch.0, message: Some(message) }
    }

    fn say(&self, message: From) {
        if let Some(stream) = &self.stream {
            // If the stream is gone, what comes next on it says so.
            let _ = stream.out.send(self.message(message));
        }
    }

    /// The stream is of no more use: whoever waits has to ask again.
    fn break_off(&mut self, reason: &str) {
        self.stream = None;
        for hash in self.waiting.keys().cloned().collect::<Vec<_>>() {
            self.fail(&hash, reason);
        }
    }

    fn told(&mut self, message: pb::ToHolder) {
        match message.message {
            Some(To::Size(pb::BlobSize { hash, bytes })) => self.begin(&hash, bytes),
            Some(To::Piece(pb::PieceBytes { name: Some(name), bytes })) => {
                let Some(copy) = self.copies.get(&name.hash) else { return };
                self.pieces.spawn(async move {
                    let stored = store(&copy, name.piece, bytes).await;
                    Piece { name, copy, stored }
                });
            }
            Some(To::Elsewhere(elsewhere)) => self.fetch(elsewhere),
            Some(To::Unknown(hash)) => {
                self.fail(&hash, "the program has dropped it, or its session is over");
            }
            Some(To::Drop(hash)) => {
                self.copies.remove(&hash);
                if self.waiting.contains_key(&hash) {
                    self.say(From::Want(hash));
                }
            }
            Some(To::Piece(_)) | None => {}
        }
    }

    fn begin(&mut self, hash: &str, bytes: u64) {
        if let Some(copy) = self.copies.get(hash).filter(|copy| copy.is_whole()) {
            // The driver answers twice: it was asked again when it was slow.
            for piece in 0..copy.pieces() {
                self.say(From::Got(pb::PieceName { hash: hash.to_owned(), piece }));
            }
            return self.finish(hash, &copy);
        }
        match self.copies.create(hash, bytes) {
            Ok(copy) if copy.is_whole() => self.finish(hash, &copy),
            Ok(_) => {}
            Err(error) => self.fail(hash, &error.to_string()),
        }
    }

    /// Gets a piece from another executor.
    fn fetch(&mut self, elsewhere: pb::PieceElsewhere) {
        let pb::PieceElsewhere { name: Some(name), holder, block_address, crc } = elsewhere else {
            return;
        };
        let Some(copy) = self.copies.get(&name.hash) else { return };
        let peers = Arc::clone(&self.sources.peers);
        self.pieces.spawn(async move {
            let bytes = copy.piece_bytes(name.piece as usize).unwrap_or_default() as u64;
            let wanted = Wanted::Piece { hash: name.hash.clone(), piece: name.piece };
            let fetched = peers.fetch(&block_address, &Remote { wanted, bytes }).await;
            let problem = match fetched {
                Ok(Fetched::Block(piece)) if BlockSum::of(&piece).crc == crc => {
                    let stored = store(&copy, name.piece, piece).await;
                    return Piece { name, copy, stored };
                }
                Ok(Fetched::Block(_)) => "it has another checksum than the driver's".to_owned(),
                Ok(Fetched::Refused { message, .. }) => message,
                Err(error) => error.to_string(),
            };
            let (hash, piece) = (&name.hash, name.piece);
            tracing::debug!("piece {piece} of blob {hash} from {block_address}: {problem}");
            Piece { name, copy, stored: Err(Problem::Refused(holder)) }
        });
    }

    fn stored(&mut self, Piece { name, copy, stored }: Piece) {
        let current = self.copies.get(&name.hash);
        if !current.is_some_and(|current| Arc::ptr_eq(&current, &copy)) {
            // The driver dropped it meanwhile, and begins again if it is still wanted.
            return;
        }
        let hash = name.hash.clone();
        match stored {
            Ok(()) => {
                if let Some(waiting) = self.waiting.get_mut(&hash) {
                    waiting.progress = Instant::now();
                }
                self.say(From::Got(name));
                if copy.is_whole() {
                    self.finish(&hash, &copy);
                }
            }
            Err(Problem::Refused(holder)) => {
                self.say(From::Refused(pb::PieceRefused { piece: Some(name), holder }));
            }
            Err(Problem::Broken(problem)) => self.fail(&hash, &problem),
        }
    }

    fn finish(&mut self, hash: &str, copy: &Copy) {
        let waiting = self.waiting.remove(hash);
        for answer in waiting.into_iter().flat_map(|waiting| waiting.answers) {
            let _ = answer.send(Ok(copy.path().to_owned()));
        }
    }

    /// Whoever waits for a blob does not get it. Who asks later may be luckier.
    fn fail(&mut self, hash: &str, problem: &str) {
        if self.copies.get(hash).is_none_or(|copy| !copy.is_whole()) {
            self.copies.remove(hash);
            self.say(From::GaveUp(hash.to_owned()));
        }
        let waiting = self.waiting.remove(hash);
        for answer in waiting.into_iter().flat_map(|waiting| waiting.answers) {
            let _ = answer.send(Err(format!("fetching blob {hash}: {problem}")));
        }
    }

    fn give_up(&mut self) {
        let stalled = self.waiting.iter().filter(|(_, blob)| blob.progress.elapsed() > PATIENCE);
        for hash in stalled.map(|(hash, _)| hash.clone()).collect::<Vec<_>>() {
            self.fail(&hash, "nothing of it came for two minutes");
        }
    }
}

/// What the driver says next; if nothing can come any more, why.
async fn next(stream: &mut Option<Stream>) -> Result<pb::ToHolder, String> {
    let Some(stream) = stream else { return std::future::pending().await };
    match stream.told.next().await {
        Some(Ok(message)) => Ok(message),
        Some(Err(status)) => Err(status.message().to_owned()),
        None => Err("the driver has closed the stream".to_owned()),
    }
}

async fn store(copy: &Arc<Copy>, piece: u32, bytes: bytes::Bytes) -> Result<(), Problem> {
    let copy = Arc::clone(copy);
    let stored = tokio::task::spawn_blocking(move || copy.write(piece as usize, &bytes)).await;
    let stored = stored.map_err(|error| Problem::Broken(error.to_string()))?;
    stored.map_err(|error| Problem::Broken(error.to_string()))
}
