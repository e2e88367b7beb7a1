//! Manifests as bytes.

use super::*;
use crate::testing::attempt;

fn manifest(runs: &[Vec<u64>], crcs: Vec<u32>) -> Manifest {
    let OutputAttempt { id, attempt, epoch } = attempt(5, 2);
    let volume = VolumeId("v1".to_owned());
    let output =
        MapOutput { id, attempt, epoch, volume, block_bytes: vec![], rows: 3, row_checksum: 4 };
    let mut manifest = Manifest::new(output, runs, crcs);
    manifest.schema_hash = 6;
    manifest.extra = b"sums".to_vec();
    "0.1".clone_into(&mut manifest.engine);
    manifest
}

/// The manifest without its trailer.
fn body(manifest: &Manifest) -> Vec<u8> {
    let mut bytes = manifest.encode();
    bytes.truncate(bytes.len() - TRAILER);
    bytes
}

#[test]
fn an_encoded_manifest_is_decoded() {
    for (runs, crcs) in [
        (vec![], vec![]),
        (vec![vec![0]], vec![0]),
        (vec![vec![3, 0, 500]], vec![7, 0, 9]),
        (vec![vec![3, 0, 5], vec![0, 0, 1 << 40]], vec![7, 0, 9]),
    ] {
        let encoded = manifest(&runs, crcs);
        let bytes = encoded.encode();
        let (length, crc) = read_trailer(bytes.last_chunk().unwrap()).unwrap();
        assert_eq!(length, bytes.len() - TRAILER);
        assert_eq!(crc, crc32fast::hash(&bytes[..length]));
        assert_eq!(Manifest::decode(&bytes[..length]), Ok(encoded));
    }
}

#[test]
fn blocks_lie_where_the_runs_put_them() {
    let encoded = manifest(&[vec![3, 0, 5], vec![2, 0, 0]], vec![7, 0, 9]);
    let extents = |reader| {
        encoded.extents(reader).map(|Extent { offset, bytes }| (offset, bytes)).collect::<Vec<_>>()
    };
    assert_eq!(extents(0), [(0, 3), (8, 2)]);
    assert_eq!(extents(1), []);
    assert_eq!(extents(2), [(3, 5)]);
    assert_eq!(extents(3), []);
    assert_eq!(encoded.output.block_bytes, [5, 0, 5]);
    assert_eq!(encoded.data_bytes(), 10);
    assert_eq!(encoded.block(0), Some(BlockSum { bytes: 5, crc: 7 }));
    assert_eq!(encoded.block(3), None);
}

#[test]
fn other_bytes_are_refused() {
    let encoded = body(&manifest(&[vec![3, 0, 5]], vec![7, 0, 9]));
    for length in 0..encoded.len() {
        assert!(Manifest::decode(&encoded[..length]).is_err(), "cut off at {length}");
    }
    let mut longer = encoded.clone();
    longer.push(0);
    assert_eq!(Manifest::decode(&longer), Err(BadBytes("end")));
    // Some changes yield another valid manifest (that is what the checksum is for), but none may
    // panic or allocate without limit.
    for index in 0..encoded.len() {
        for value in 0..=255 {
            let mut changed = encoded.clone();
            changed[index] = value;
            let _ = Manifest::decode(&changed);
        }
    }
}

#[test]
fn lengths_whose_sum_is_too_large_are_refused() {
    let mut out = Encoder(body(&manifest(&[vec![1]], vec![7])));
    out.0.truncate(out.0.len() - 1 - 4 - 1);
    out.varint(2);
    out.varint(u64::MAX);
    out.varint(1);
    let bytes = out.0;
    assert_eq!(Manifest::decode(&bytes), Err(BadBytes("length")));
}
