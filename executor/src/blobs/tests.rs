//! An executor's side of blobs: this test plays the driver, and a real peer has pieces.

use super::{Copies, DriverBlobs, Sources};
use crate::blocks::{Peers, Server, Stores};
use crate::python::Blobs;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use model::Epoch;
use pb::executors_server::{Executors, ExecutorsServer};
use pb::from_holder::Message as From;
use pb::to_holder::Message as To;
use proto::{BLOB_PIECE_BYTES, Credentials, Token, pb};
use shuffle::Catalogue;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::{Request, Response, Status, Streaming};

type Told = Result<pb::ToHolder, Status>;

/// A stream of an executor, as the driver has it.
struct Stream {
    said: Streaming<pb::FromHolder>,
    tell: mpsc::UnboundedSender<Told>,
}

impl Stream {
    async fn said(&mut self) -> From {
        let said = tokio::time::timeout(Duration::from_secs(30), self.said.next()).await;
        let said = said.unwrap().unwrap().unwrap();
        assert_eq!(said.epoch, 7);
        said.message.unwrap()
    }

    fn tell(&self, message: To) {
        self.tell.send(Ok(pb::ToHolder { message: Some(message) })).unwrap();
    }
}

struct Door(mpsc::UnboundedSender<Stream>);

#[tonic::async_trait]
impl Executors for Door {
    type AttachStream = BoxStream<'static, Result<pb::ToExecutor, Status>>;
    type ShareBlobsStream = BoxStream<'static, Told>;

    async fn attach(
        &self,
        _: Request<Streaming<pb::FromExecutor>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        Err(Status::unimplemented("this driver only has blobs"))
    }

    async fn share_blobs(
        &self,
        request: Request<Streaming<pb::FromHolder>>,
    ) -> Result<Response<Self::ShareBlobsStream>, Status> {
        let (tell, told) = mpsc::unbounded_channel();
        self.0.send(Stream { said: request.into_inner(), tell }).unwrap();
        Ok(Response::new(UnboundedReceiverStream::new(told).boxed()))
    }
}

/// An executor that fetches, the driver, and a peer.
struct World {
    blobs: Arc<DriverBlobs>,
    copies: Arc<Copies>,
    streams: mpsc::UnboundedReceiver<Stream>,
    peer: Server,
    peer_copies: Arc<Copies>,
    _directory: TempDir,
}

const HASH: &str = "00000000000000000000000000000000000000000000000000000000000000ab";

/// A blob of two pieces.
fn blob() -> Bytes {
    (0..BLOB_PIECE_BYTES + 5).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn first() -> Bytes {
    blob().slice(..BLOB_PIECE_BYTES)
}

fn second() -> Bytes {
    blob().slice(BLOB_PIECE_BYTES..)
}

fn name(piece: u32) -> pb::PieceName {
    pb::PieceName { hash: HASH.to_owned(), piece }
}

fn size() -> To {
    To::Size(pb::BlobSize { hash: HASH.to_owned(), bytes: blob().len() as u64 })
}

fn piece(number: u32, bytes: Bytes) -> To {
    To::Piece(pb::PieceBytes { name: Some(name(number)), bytes })
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let token = Token::new("right").unwrap();
        let credentials = Credentials { token, identity: None };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let driver = listener.local_addr().unwrap().to_string();
        let (sender, streams) = mpsc::unbounded_channel();
        let server = tonic::transport::Server::builder().add_service(
            ExecutorsServer::new(Door(sender)).max_encoding_message_size(proto::MESSAGE_LIMIT),
        );
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let peer_copies = Arc::new(Copies::new(directory.path().join("peer")));
        let stores =
            Stores { catalogue: Arc::new(Catalogue::new([])), copies: Arc::clone(&peer_copies) };
        let peer = Server::start("127.0.0.1", &credentials, stores).await.unwrap();
        let copies = Arc::new(Copies::new(directory.path().join("own")));
        let sources = Sources {
            peers: Arc::new(
                Peers::new(&credentials, model::launch::PeerPatience::default()).unwrap(),
            ),
            credentials,
            driver,
            epoch: Epoch(7),
            block_address: "own:1".to_owned(),
        };
        let blobs = Arc::new(DriverBlobs::start(sources, Arc::clone(&copies)));
        Self { blobs, copies, streams, peer, peer_copies, _directory: directory }
    }

    fn asked(&self) -> JoinHandle<Result<PathBuf, String>> {
        let blobs = Arc::clone(&self.blobs);
        tokio::spawn(async move { blobs.path(HASH).await })
    }

    /// The executor's next stream, which begins by saying which blobs it has.
    async fn stream(&mut self, has: &[&str]) -> Stream {
        let stream = tokio::time::timeout(Duration::from_secs(30), self.streams.recv()).await;
        let mut stream = stream.unwrap().unwrap();
        let From::Hello(hello) = stream.said().await else { panic!("no greeting") };
        assert_eq!(
            (hello.block_address.as_str(), hello.hashes),
            ("own:1", has.iter().map(|hash| (*hash).to_owned()).collect())
        );
        stream
    }

    /// Somebody asks for the blob, and the driver says how large it is.
    async fn begun(&mut self) -> (JoinHandle<Result<PathBuf, String>>, Stream) {
        let asked = self.asked();
        let mut stream = self.stream(&[]).await;
        assert_eq!(stream.said().await, From::Want(HASH.to_owned()));
        stream.tell(size());
        (asked, stream)
    }

    /// Lets the peer have the second piece, and tells where it is.
    fn elsewhere(&self) -> To {
        let copy = self.peer_copies.create(HASH, blob().len() as u64).unwrap();
        copy.write(1, &second()).unwrap();
        self.at_peer(1, crc32(&second()))
    }

    fn at_peer(&self, piece: u32, crc: u32) -> To {
        let block_address = self.peer.address.clone();
        To::Elsewhere(pb::PieceElsewhere { name: Some(name(piece)), holder: 3, block_address, crc })
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    shuffle::BlockSum::of(bytes).crc
}

#[tokio::test]
async fn pieces_come_from_the_driver_and_from_peers_once_for_all_who_ask() {
    let mut world = World::new().await;
    let asked = [world.asked(), world.asked()];
    let mut stream = world.stream(&[]).await;
    assert_eq!(stream.said().await, From::Want(HASH.to_owned()));
    stream.tell(size());
    stream.tell(world.elsewhere());
    assert_eq!(stream.said().await, From::Got(name(1)));
    stream.tell(piece(0, first()));
    assert_eq!(stream.said().await, From::Got(name(0)));
    for asked in asked {
        assert_eq!(std::fs::read(asked.await.unwrap().unwrap()).unwrap(), blob());
    }
    assert_eq!(world.asked().await.unwrap().unwrap(), world.copies.get(HASH).unwrap().path());
}

#[tokio::test]
async fn what_a_peer_does_not_give_or_gives_wrong_is_said() {
    let mut world = World::new().await;
    let (asked, mut stream) = world.begun().await;
    let refused = |piece| From::Refused(pb::PieceRefused { piece: Some(name(piece)), holder: 3 });
    stream.tell(world.at_peer(0, 0));
    assert_eq!(stream.said().await, refused(0), "the peer does not have it");
    world.elsewhere();
    stream.tell(world.at_peer(1, 12345));
    assert_eq!(stream.said().await, refused(1), "another checksum");
    stream.tell(piece(0, first()));
    stream.tell(piece(1, second()));
    assert_eq!(std::fs::read(asked.await.unwrap().unwrap()).unwrap(), blob());
}

#[tokio::test]
async fn what_is_dropped_is_removed_and_comes_again_if_it_is_wanted() {
    let mut world = World::new().await;
    let (asked, mut stream) = world.begun().await;
    stream.tell(piece(0, first()));
    assert_eq!(stream.said().await, From::Got(name(0)));
    stream.tell(To::Drop(HASH.to_owned()));
    assert_eq!(stream.said().await, From::Want(HASH.to_owned()), "somebody waits for it");
    stream.tell(size());
    stream.tell(piece(1, second()));
    assert_eq!(stream.said().await, From::Got(name(1)));
    stream.tell(piece(0, first()));
    assert_eq!(stream.said().await, From::Got(name(0)));
    let path = asked.await.unwrap().unwrap();
    stream.tell(To::Drop(HASH.to_owned()));
    let removed = async {
        while path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), removed).await.expect("it is removed");
    let asked = world.asked();
    assert_eq!(stream.said().await, From::Want(HASH.to_owned()));
    stream.tell(To::Unknown(HASH.to_owned()));
    let problem = asked.await.unwrap().unwrap_err();
    assert!(problem.contains("the program has dropped it"), "{problem}");
}

#[tokio::test]
async fn a_broken_stream_fails_who_waits_and_a_new_one_says_what_is_here() {
    let mut world = World::new().await;
    let (asked, mut stream) = world.begun().await;
    stream.tell(piece(0, first()));
    stream.tell(piece(1, second()));
    asked.await.unwrap().unwrap();
    let other = HASH.replace("ab", "cd");
    let blobs = Arc::clone(&world.blobs);
    let asked = {
        let other = other.clone();
        tokio::spawn(async move { blobs.path(&other).await })
    };
    for _ in 0..2 {
        stream.said().await;
    }
    assert_eq!(stream.said().await, From::Want(other.clone()));
    stream.tell.send(Err(Status::unavailable("gone"))).unwrap();
    let problem = asked.await.unwrap().unwrap_err();
    assert_eq!(problem, format!("fetching blob {other}: gone"));
    let _asked = {
        let blobs = Arc::clone(&world.blobs);
        tokio::spawn(async move { blobs.path(&other).await })
    };
    world.stream(&[HASH]).await;
}

#[tokio::test]
async fn only_hashes_name_blobs() {
    let world = World::new().await;
    for name in ["", "../secret", &HASH.replace('a', "/"), &HASH[1..]] {
        assert!(world.blobs.path(name).await.unwrap_err().contains("is not the hash"));
    }
}
