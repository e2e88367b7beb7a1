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
fn what_was_said_is_read() {
    for (runs, crcs) in [
        (vec![], vec![]),
        (vec![vec![0]], vec![0]),
        (vec![vec![3, 0, 500]], vec![7, 0, 9]),
        (vec![vec![3, 0, 5], vec![0, 0, 1 << 40]], vec![7, 0, 9]),
    ] {
        let said = manifest(&runs, crcs);
        let bytes = said.encode();
        let (length, crc) = read_trailer(bytes.last_chunk().unwrap()).unwrap();
        assert_eq!(length, bytes.len() - TRAILER);
        assert_eq!(crc, crc32fast::hash(&bytes[..length]));
        assert_eq!(Manifest::decode(&bytes[..length]), Ok(said));
    }
}

#[test]
fn blocks_lie_where_the_runs_put_them() {
    let said = manifest(&[vec![3, 0, 5], vec![2, 0, 0]], vec![7, 0, 9]);
    let extents = |reader| {
        said.extents(reader).map(|Extent { offset, bytes }| (offset, bytes)).collect::<Vec<_>>()
    };
    assert_eq!(extents(0), [(0, 3), (8, 2)]);
    assert_eq!(extents(1), []);
    assert_eq!(extents(2), [(3, 5)]);
    assert_eq!(extents(3), []);
    assert_eq!(said.output.block_bytes, [5, 0, 5]);
    assert_eq!(said.data_bytes(), 10);
    assert_eq!(said.block(0), Some(BlockSum { bytes: 5, crc: 7 }));
    assert_eq!(said.block(3), None);
}

#[test]
fn bytes_that_are_no_manifest_are_refused() {
    let said = body(&manifest(&[vec![3, 0, 5]], vec![7, 0, 9]));
    for length in 0..said.len() {
        assert!(Manifest::decode(&said[..length]).is_err(), "cut off at {length}");
    }
    let mut longer = said.clone();
    longer.push(0);
    assert_eq!(Manifest::decode(&longer), Err(BadBytes("end")));
    // Some changed numbers are manifests too (that is what the checksum is for), but none may panic or take all memory.
    for index in 0..said.len() {
        for value in 0..=255 {
            let mut changed = said.clone();
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
