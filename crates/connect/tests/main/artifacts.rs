//! Artifacts: sent whole or in chunks, and local data made from them.

use crate::fake::{Client, THREE_ROWS, connected};
use crate::requests::{error_class, execute, rel, run, schema_of, user, uuid};
use bytes::Bytes;
use connect::pb;
use connect::pb::add_artifacts_request as add;
use connect::pb::command::CommandType;
use connect::pb::relation::RelType;
use model::FileKind;
use plan::{DataType, Field, RelationKind, SchemaOrText};
use prost::Message;
use tonic::Status;

fn chunk(data: &[u8]) -> add::ArtifactChunk {
    let crc = i64::from(crc32fast::hash(data));
    add::ArtifactChunk { data: Bytes::copy_from_slice(data), crc }
}

fn batch(name: &str, data: &[u8]) -> add::Payload {
    let artifact = add::SingleChunkArtifact { name: name.into(), data: Some(chunk(data)) };
    add::Payload::Batch(add::Batch { artifacts: vec![artifact] })
}

fn begin(name: &str, total: usize, chunks: i64, first: &[u8]) -> add::Payload {
    add::Payload::BeginChunk(add::BeginChunkedArtifact {
        name: name.into(),
        total_bytes: i64::try_from(total).expect("a size"),
        num_chunks: chunks,
        initial_chunk: Some(chunk(first)),
    })
}

async fn send(
    client: &mut Client,
    session: &str,
    payloads: Vec<add::Payload>,
) -> Result<Vec<(String, bool)>, Status> {
    let requests: Vec<_> = payloads
        .into_iter()
        .map(|payload| pb::AddArtifactsRequest {
            session_id: session.into(),
            user_context: user(),
            payload: Some(payload),
            ..Default::default()
        })
        .collect();
    let reply = client.add_artifacts(futures::stream::iter(requests)).await?.into_inner();
    Ok(reply.artifacts.into_iter().map(|a| (a.name, a.is_crc_successful)).collect())
}

async fn exists(client: &mut Client, session: &str, name: &str) -> bool {
    let request = pb::ArtifactStatusesRequest {
        session_id: session.into(),
        user_context: user(),
        names: vec![name.into()],
        ..Default::default()
    };
    let reply = client.artifact_status(request).await.expect("an answer");
    reply.into_inner().statuses[name].exists
}

#[tokio::test]
async fn artifacts_are_kept_whole_or_not_at_all() {
    let (_, mut client) = connected().await;
    let session = uuid();
    let whole = vec![
        batch("cache/a", b"one"),
        begin("cache/b", 6, 2, b"two"),
        add::Payload::Chunk(chunk(b"333")),
    ];
    let kept = send(&mut client, &session, whole).await.unwrap();
    assert_eq!(kept, [("cache/a".to_owned(), true), ("cache/b".to_owned(), true)]);
    assert!(exists(&mut client, &session, "cache/b").await);
    assert!(!exists(&mut client, &uuid(), "cache/b").await);
    let mut damaged = chunk(b"xyz");
    damaged.crc += 1;
    let damaged = vec![begin("cache/c", 6, 2, b"two"), add::Payload::Chunk(damaged)];
    assert_eq!(
        send(&mut client, &session, damaged).await.unwrap(),
        [("cache/c".to_owned(), false)]
    );
    assert!(!exists(&mut client, &session, "cache/c").await);
}

#[tokio::test]
async fn files_become_blobs_and_cannot_be_overwritten() {
    let (seen, mut client) = connected().await;
    let session = uuid();
    let all = ["files/d/x.txt", "pyfiles/m.py", "archives/a.tgz#env"];
    let payloads = || all.iter().map(|name| batch(name, name.as_bytes())).collect::<Vec<_>>();
    send(&mut client, &session, payloads()).await.unwrap();
    let files = seen.files.lock().unwrap().clone();
    let shown: Vec<_> = files.iter().map(|file| (file.kind, file.name.as_str())).collect();
    let kinds = [FileKind::File, FileKind::Python, FileKind::Archive];
    let names = ["d/x.txt", "m.py", "a.tgz#env"];
    assert_eq!(shown, kinds.into_iter().zip(names).collect::<Vec<_>>());
    let hash = blake3::hash(b"pyfiles/m.py").to_hex().to_string();
    assert_eq!(files[1].hash, hash);
    assert!(seen.blobs.lock().unwrap().contains(&(hash, 12)));

    send(&mut client, &session, payloads()).await.expect("the same again");
    let other = vec![batch("pyfiles/m.py", b"other")];
    let status = send(&mut client, &session, other.clone()).await.unwrap_err();
    assert_eq!(error_class(&status), "ARTIFACT_ALREADY_EXISTS");
    send(&mut client, &uuid(), other).await.expect("another session");
}

#[tokio::test]
async fn a_blob_is_dropped_for_good_or_only_its_copies() {
    let (seen, mut client) = connected().await;
    let session = uuid();
    send(&mut client, &session, vec![batch("cache/a", b"one")]).await.unwrap();
    for (forever, stays) in [(false, true), (true, false)] {
        let message = connect::rdd_pb::DropBlob { hash: "a".to_owned(), forever };
        let extension = prost_types::Any {
            type_url: "type.googleapis.com/firesteel.connect.v1.DropBlob".to_owned(),
            value: message.encode_to_vec(),
        };
        let command = pb::Command { command_type: Some(CommandType::Extension(extension)) };
        let plan = Some(pb::Plan { op_type: Some(pb::plan::OpType::Command(command)) });
        run(&mut client, execute(&session, &uuid(), plan)).await.unwrap();
        assert_eq!(exists(&mut client, &session, "cache/a").await, stays);
    }
    let dropped = [("a".to_owned(), false), ("a".to_owned(), true)];
    assert_eq!(*seen.dropped_blobs.lock().unwrap(), dropped);
}

#[tokio::test]
async fn no_file_lies_below_another() {
    let (seen, mut client) = connected().await;
    let session = uuid();
    let (known, beside) = (["files/a/b", "archives/x.zip#env"], ["files/a/bc", "archives/a.zip"]);
    for name in known {
        send(&mut client, &session, vec![batch(name, b"x")]).await.unwrap();
    }
    for (name, other) in [
        ("files/a", "files/a/b"),
        ("files/a/b/c", "files/a/b"),
        ("pyfiles/a", "files/a/b"),
        ("files/env/x", "archives/x.zip#env"),
        ("archives/y.zip#a", "files/a/b"),
    ] {
        let status = send(&mut client, &session, vec![batch(name, b"x")]).await.unwrap_err();
        assert_eq!(error_class(&status), "ARTIFACT_ALREADY_EXISTS");
        let expected =
            format!("The artifact {name} cannot be added: the artifact {other} already exists");
        assert!(status.message().contains(&expected), "{status:?}");
        assert!(!exists(&mut client, &session, name).await);
    }
    for name in beside {
        send(&mut client, &session, vec![batch(name, b"x")]).await.unwrap();
    }
    assert_eq!(seen.files.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn bad_uploads_are_refused() {
    let (_, mut client) = connected().await;
    let session = uuid();
    let cases = [
        ("cut off", vec![begin("cache/a", 6, 2, b"two")]),
        ("too short", vec![begin("cache/a", 6, 1, b"two")]),
        ("too long", vec![begin("cache/a", 6, 3, b"two"), add::Payload::Chunk(chunk(b"4444"))]),
        ("huge", vec![begin("cache/a", usize::MAX >> 1, 2, b"two")]),
        ("a chunk of nothing", vec![add::Payload::Chunk(chunk(b"x"))]),
        ("two at once", vec![begin("cache/a", 6, 2, b"two"), batch("cache/b", b"x")]),
        ("no kind", vec![batch("a", b"x")]),
        ("a way out", vec![batch("cache/../a", b"x")]),
        ("a directory outside", vec![batch("archives/a.zip#..", b"x")]),
        ("a library", vec![batch("jars/a.jar", b"x")]),
        ("nothing", vec![]),
    ];
    for (what, payloads) in cases {
        let status = send(&mut client, &session, payloads).await.unwrap_err();
        let class = error_class(&status);
        assert!(class != "INTERNAL_ERROR", "{what}: {status:?}");
    }
    assert!(!exists(&mut client, &session, "cache/a").await);
}

#[tokio::test]
async fn local_data_is_assembled_from_artifacts() {
    let (seen, mut client) = connected().await;
    let session = uuid();
    let schema = br#"{"type":"struct","fields":[{"name":"id","type":"long","nullable":true,"metadata":{}}]}"#;
    let local = pb::LocalRelation { data: Some(THREE_ROWS.into()), schema: None };
    let sent = vec![
        batch("cache/rows", THREE_ROWS),
        batch("cache/schema", schema),
        batch("cache/whole", &local.encode_to_vec()),
        batch("cache/garbage", b"no arrow"),
    ];
    send(&mut client, &session, sent).await.unwrap();
    let chunked = |rows: &[&str], schema: Option<&str>| {
        rel(RelType::ChunkedCachedLocalRelation(pb::ChunkedCachedLocalRelation {
            data_hashes: rows.iter().map(|r| (*r).to_owned()).collect(),
            schema_hash: schema.map(Into::into),
        }))
    };
    let mut kind = async |relation| {
        client.analyze_plan(schema_of(&session, relation)).await?;
        Ok::<_, Status>(*seen.relations.lock().unwrap().pop().unwrap().kind)
    };
    let RelationKind::Local { data, schema } =
        kind(chunked(&["rows", "rows"], Some("schema"))).await.unwrap()
    else {
        panic!("local data is expected")
    };
    let fields = vec![Field::new("id", DataType::Long, true)];
    assert_eq!(schema, Some(SchemaOrText::Schema(fields.clone())));
    let head = data.len() - THREE_ROWS.len();
    // The header and the end once, the batch twice.
    assert_eq!(data[..THREE_ROWS.len() - 8], THREE_ROWS[..THREE_ROWS.len() - 8]);
    assert_eq!(data[THREE_ROWS.len() - 8..], THREE_ROWS[THREE_ROWS.len() - head - 8..]);

    assert_eq!(
        kind(chunked(&[], Some("schema"))).await.unwrap(),
        RelationKind::Empty { schema: fields }
    );
    let hash = "whole".to_owned();
    let whole = rel(RelType::CachedLocalRelation(pb::CachedLocalRelation { hash }));
    let expected = RelationKind::Local { data: THREE_ROWS.to_vec(), schema: None };
    assert_eq!(kind(whole).await.unwrap(), expected);
    for bad in [chunked(&["missing"], None), chunked(&["garbage"], None), chunked(&[], None)] {
        let status = kind(bad).await.unwrap_err();
        assert_eq!(error_class(&status), "CONNECT_INVALID_PLAN");
    }
}
