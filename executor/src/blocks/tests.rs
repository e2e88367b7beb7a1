//! A server and its peers on loopback: what was written arrives, and nothing else does.

use super::{Blocks, Fetched, Locations, Peers, Remote, Server, Stores};
use crate::blobs::Copies;
use crate::moves::Moves;
use model::executor::Report;
use model::launch::PeerPatience;
use model::{
    ApplicationId, Attempt, BlockProblem, Epoch, Fingerprint, MapOutput, MapOutputId, ShuffleId,
    StageId, TaskFailure, TaskId, Unreadable, VolumeId,
};
use proto::{Credentials, Identity, Token};
use shuffle::{Catalogue, MapOutputWriter, OutputAttempt, Summary, Volume, WriterOptions, wire};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use task::{BlockSource, Suspects, Wanted};

/// Larger than one piece of a transfer.
const LARGE: usize = (3 << 20) + 17;

struct World {
    directory: tempfile::TempDir,
    output: Arc<MapOutput>,
    server: Server,
}

/// What peers can have: no blobs.
fn stores(catalogue: Arc<Catalogue>) -> Stores {
    Stores { catalogue, copies: Arc::new(Copies::new(PathBuf::new())) }
}

async fn world() -> World {
    world_of(&plain("right")).await
}

/// An executor that serves one output: an empty block, a small one, a large one.
async fn world_of(credentials: &Credentials) -> World {
    let directory = tempfile::tempdir().unwrap();
    let volume =
        Volume::create(directory.path(), VolumeId("v".into()), ApplicationId("a".into())).unwrap();
    let id = MapOutputId { shuffle: ShuffleId(Fingerprint([7; 32])), map: 0 };
    let attempt = Attempt { task: TaskId { stage: StageId(0), partition: 0 }, number: 0 };
    let named = OutputAttempt { id, attempt, epoch: Epoch(1) };
    let mut writer = MapOutputWriter::new(&volume, named, 3, WriterOptions::default());
    writer.append(1, b"small".to_vec()).unwrap();
    writer.append(2, vec![42; LARGE]).unwrap();
    let output = writer.commit(Summary::default()).unwrap().into_output();
    let catalogue = Arc::new(Catalogue::new([volume]));
    let server = Server::start("127.0.0.1", credentials, stores(catalogue)).await.unwrap();
    World { directory, output: Arc::new(output), server }
}

/// Four outputs on one volume, each with a block for reader 0 and one for reader 1; and where their
/// files are.
fn four_outputs(directory: &Path) -> (Volume, Vec<Arc<MapOutput>>, Vec<PathBuf>) {
    let volume =
        Volume::create(directory, VolumeId("v".into()), ApplicationId("a".into())).unwrap();
    let shuffle = ShuffleId(Fingerprint([7; 32]));
    let write = |map| {
        let id = MapOutputId { shuffle, map };
        let attempt = Attempt { task: TaskId { stage: StageId(0), partition: map }, number: 0 };
        let named = OutputAttempt { id, attempt, epoch: Epoch(1) };
        let mut writer = MapOutputWriter::new(&volume, named, 2, WriterOptions::default());
        // Larger than what a reader keeps in memory.
        writer.append(0, vec![1; 100_000]).unwrap();
        writer.append(1, vec![2; 100_000]).unwrap();
        Arc::new(writer.commit(Summary::default()).unwrap().into_output())
    };
    let outputs = (0..4).map(write).collect();
    let file = |map| directory.join(shuffle.0.to_string()).join(format!("{map}.out"));
    let files = (0..4).map(file).collect();
    (volume, outputs, files)
}

/// Flips a byte.
fn damage(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

/// Which maps of those are said to be unreadable, and why.
async fn found(blocks: &Blocks, outputs: &[Arc<MapOutput>]) -> Vec<(u32, BlockProblem)> {
    let wanted: Vec<Wanted> =
        outputs.iter().map(|output| Wanted { output: Arc::clone(output), reader: 0 }).collect();
    let TaskFailure::FetchFailed { unreadable: known, .. } =
        blocks.fetch(&wanted).await.unwrap_err()
    else {
        panic!("it is a fetch failure")
    };
    let suspects = Suspects { known: known.clone(), outputs: outputs.to_vec(), blocks: wanted };
    let all = known.into_iter().chain(blocks.search(suspects).await);
    let mut all: Vec<_> = all.map(|found| (found.output.map, found.problem)).collect();
    all.sort_by_key(|(map, _)| *map);
    all
}

/// Who has this token and shows no certificate.
fn plain(token: &str) -> Credentials {
    Credentials { token: Token::new(token).unwrap(), identity: None }
}

impl World {
    /// An executor elsewhere, which mounts nothing.
    fn elsewhere(&self) -> Blocks {
        let locations = Locations::default();
        locations.set(VolumeId("v".into()), vec![self.server.address.clone()]);
        Blocks {
            catalogue: Arc::new(Catalogue::new([])),
            peers: Arc::new(Peers::new(&plain("right"), PeerPatience::default()).unwrap()),
            locations: Arc::new(locations),
        }
    }

    fn wanted(&self, reader: u32) -> Wanted {
        Wanted { output: Arc::clone(&self.output), reader }
    }

    fn remote(&self, reader: u32) -> Remote {
        let output = self.output.as_ref();
        let bytes = output.block_bytes[reader as usize];
        let volume = output.volume.clone();
        Remote { wanted: wire::Wanted::Block { volume, output: output.into(), reader }, bytes }
    }
}

fn problem(failure: &TaskFailure) -> BlockProblem {
    match failure {
        TaskFailure::FetchFailed { unreadable, .. } => unreadable[0].problem,
        other => panic!("{other}"),
    }
}

/// The one file of the output.
fn file(root: &Path) -> PathBuf {
    let shuffle = root.join(Fingerprint([7; 32]).to_string());
    std::fs::read_dir(shuffle).unwrap().next().unwrap().unwrap().path()
}

#[tokio::test]
async fn blocks_arrive_as_they_were_written_in_the_order_asked_for() {
    let world = world().await;
    let blocks = world.elsewhere();
    let wanted = [world.wanted(2), world.wanted(0), world.wanted(1), world.wanted(1)];
    let fetched = blocks.fetch(&wanted).await.unwrap();
    assert_eq!(fetched[0], vec![42; LARGE]);
    assert_eq!(fetched[1], "");
    assert_eq!(fetched[2], "small");
    assert_eq!(fetched[3], "small");
}

#[tokio::test]
async fn who_has_another_token_gets_nothing() {
    let world = world().await;
    let peers = Peers::new(&plain("wrong"), PeerPatience::default()).unwrap();
    let refused = peers.fetch(&world.server.address, &world.remote(1)).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn with_an_identity_blocks_travel_encrypted_and_only_to_who_shows_it() {
    let ours = Identity::generate().unwrap();
    let with = |token, identity| Credentials { identity, ..plain(token) };
    let world = world_of(&with("right", Some(ours.clone()))).await;
    let fetch = async |credentials: &Credentials| {
        let peers = Peers::new(credentials, PeerPatience::default()).unwrap();
        let wanted = [world.remote(2), world.remote(0), world.remote(2)];
        let mut lengths = Vec::new();
        for wanted in &wanted {
            match peers.fetch(&world.server.address, wanted).await? {
                Fetched::Block(block) => lengths.push(block.len()),
                Fetched::Refused { message, .. } => panic!("{message}"),
            }
        }
        std::io::Result::Ok(lengths)
    };
    let right = fetch(&with("right", Some(ours.clone()))).await;
    assert_eq!(right.unwrap(), [LARGE, 0, LARGE]);
    let refused = fetch(&with("wrong", Some(ours))).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    let foreign = with("right", Some(Identity::generate().unwrap()));
    assert!(fetch(&foreign).await.is_err());
    // Neither side falls back to plain text.
    assert!(fetch(&plain("right")).await.is_err());
    let open = world_of(&plain("right")).await;
    let peers = Peers::new(&foreign, PeerPatience::default()).unwrap();
    assert!(peers.fetch(&open.server.address, &open.remote(1)).await.is_err());
}

#[tokio::test]
async fn a_damaged_block_is_a_fetch_failure_that_says_so() {
    let world = world().await;
    let path = file(world.directory.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[2] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let failure = world.elsewhere().fetch(&[world.wanted(1)]).await.unwrap_err();
    assert_eq!(problem(&failure), BlockProblem::Damaged);
}

#[tokio::test]
async fn an_output_of_another_attempt_is_missing() {
    let world = world().await;
    let mut other = world.remote(1);
    let wire::Wanted::Block { output, .. } = &mut other.wanted else { panic!("another kind") };
    output.attempt.number = 1;
    let peers = Peers::new(&plain("right"), PeerPatience::default()).unwrap();
    match peers.fetch(&world.server.address, &other).await.unwrap() {
        Fetched::Refused { problem, .. } => assert_eq!(problem, BlockProblem::Missing),
        Fetched::Block(_) => panic!("the bytes of another attempt were served"),
    }
}

#[tokio::test]
async fn a_volume_that_nobody_serves_is_unreachable() {
    let world = world().await;
    let mut blocks = world.elsewhere();
    blocks.locations = Arc::default();
    let failure = blocks.fetch(&[world.wanted(1)]).await.unwrap_err();
    assert_eq!(problem(&failure), BlockProblem::Unreachable);
}

#[tokio::test]
async fn a_peer_that_is_gone_is_unreachable() {
    let world = world().await;
    let blocks = world.elsewhere();
    assert!(blocks.fetch(&[world.wanted(1)]).await.is_ok());
    let wanted = world.wanted(1);
    drop(world);
    let failure = blocks.fetch(&[wanted]).await.unwrap_err();
    assert_eq!(problem(&failure), BlockProblem::Unreachable);
}

#[tokio::test]
async fn all_that_is_wrong_with_a_volume_mounted_here_is_found_also_in_blocks_of_others() {
    let directory = tempfile::tempdir().unwrap();
    let (volume, outputs, files) = four_outputs(directory.path());
    damage(&files[0], 50_000);
    damage(&files[1], 150_000);
    std::fs::remove_file(&files[3]).unwrap();
    let blocks = Blocks {
        catalogue: Arc::new(Catalogue::new([volume])),
        peers: Arc::new(Peers::new(&plain("right"), PeerPatience::default()).unwrap()),
        locations: Arc::default(),
    };
    let expected =
        [(0, BlockProblem::Damaged), (1, BlockProblem::Damaged), (3, BlockProblem::Missing)];
    assert_eq!(found(&blocks, &outputs).await, expected);
}

#[tokio::test]
async fn all_that_a_peer_cannot_give_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let (volume, outputs, files) = four_outputs(directory.path());
    let catalogue = Arc::new(Catalogue::new([volume]));
    let server = Server::start("127.0.0.1", &plain("right"), stores(catalogue)).await.unwrap();
    damage(&files[1], 50_000);
    damage(&files[2], 150_000);
    std::fs::remove_file(&files[3]).unwrap();
    let locations = Locations::default();
    locations.set(VolumeId("v".into()), vec![server.address.clone()]);
    let blocks = Blocks {
        catalogue: Arc::default(),
        peers: Arc::new(Peers::new(&plain("right"), PeerPatience::default()).unwrap()),
        locations: Arc::new(locations),
    };
    // The block of output 2 that is damaged is another reader's.
    let expected = [(1, BlockProblem::Damaged), (3, BlockProblem::Missing)];
    assert_eq!(found(&blocks, &outputs).await, expected);
}

#[tokio::test]
async fn a_volume_out_of_reach_is_out_of_reach_with_all_that_is_on_it() {
    let directory = tempfile::tempdir().unwrap();
    let (_, outputs, _) = four_outputs(directory.path());
    // A peer that answers nothing: to ask it for each would take minutes.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let locations = Locations::default();
    locations.set(VolumeId("v".into()), vec![silent.local_addr().unwrap().to_string()]);
    let blocks = Blocks {
        catalogue: Arc::default(),
        peers: Arc::new(Peers::new(&plain("right"), PeerPatience::default()).unwrap()),
        locations: Arc::new(locations),
    };
    let wanted = |output: &Arc<MapOutput>| Wanted { output: Arc::clone(output), reader: 1 };
    let suspects = Suspects {
        known: vec![Unreadable::new(&outputs[2], BlockProblem::Unreachable)],
        outputs: outputs.clone(),
        blocks: outputs.iter().map(wanted).collect(),
    };
    let search = tokio::time::timeout(Duration::from_secs(5), blocks.search(suspects));
    let maps: Vec<u32> = search.await.unwrap().iter().map(|found| found.output.map).collect();
    assert_eq!(maps, [0, 1, 3]);
}

#[tokio::test]
async fn an_output_is_copied_to_another_volume_as_that_of_the_same_attempt() {
    let world = world().await;
    let directory = tempfile::tempdir().unwrap();
    let own = Volume::create(directory.path(), VolumeId("own".into()), ApplicationId("a".into()));
    let own = own.unwrap();
    let blocks = Arc::new(world.elsewhere());
    let options = WriterOptions::default();
    let threads = tokio::runtime::Handle::current();
    let (moves, mut ends) = Moves::new(blocks, (own.clone(), options), threads);
    moves.start(Arc::clone(&world.output));
    let copy = MapOutput { volume: VolumeId("own".into()), ..MapOutput::clone(&world.output) };
    let output = MapOutput::clone(&world.output);
    let report = Report::Moved { output: output.clone(), copy: Ok(copy.clone()) };
    assert_eq!(ends.recv().await, Some(report));
    let here = Catalogue::new([own]);
    for (reader, block) in [(0, Vec::new()), (1, b"small".to_vec()), (2, vec![42; LARGE])] {
        assert!(here.read_block(&copy, reader).unwrap().unwrap() == block);
    }

    // What cannot be read is not copied, and what another attempt has written stays.
    let path = world.directory.path().join(output.id.shuffle.0.to_string()).join("0.out");
    damage(&path, 3);
    let wanted = OutputAttempt { epoch: Epoch(2), ..OutputAttempt::from(&output) };
    let other = MapOutput { epoch: wanted.epoch, ..output.clone() };
    for unreadable in [other, output] {
        std::fs::remove_dir_all(directory.path().join(unreadable.id.shuffle.0.to_string())).ok();
        moves.start(Arc::new(unreadable));
        let Some(Report::Moved { copy: Err(problem), .. }) = ends.recv().await else {
            panic!("it cannot be copied")
        };
        assert!(!problem.is_empty());
    }
}
