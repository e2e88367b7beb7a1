//! Frames, valid and invalid.

use super::*;
use crate::testing::attempt;
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};

fn block(volume: &str) -> Request {
    let volume = VolumeId(volume.to_owned());
    let wanted = Wanted::Block { volume, output: attempt(3, 1), reader: 17 };
    Request { token: b"secret".to_vec(), wanted }
}

fn piece(hash: &str) -> Request {
    let wanted = Wanted::Piece { hash: hash.to_owned(), piece: 3 };
    Request { token: b"secret".to_vec(), wanted }
}

fn answers() -> Vec<BlockAnswer> {
    let not_found = |problem| BlockAnswer::NotFound { problem, message: "it is gone".to_owned() };
    vec![
        BlockAnswer::Found(BlockSum { bytes: 1 << 40, crc: 5 }),
        not_found(BlockProblem::Missing),
        not_found(BlockProblem::Damaged),
        not_found(BlockProblem::Unreachable),
        BlockAnswer::Denied,
    ]
}

/// The frame without its length, which is valid.
fn body(frame: &[u8]) -> &[u8] {
    let (length, body) = frame.split_first_chunk().unwrap();
    assert_eq!(frame_length(*length), Ok(body.len()));
    body
}

#[test]
fn an_encoded_frame_is_decoded() {
    for request in [block("v1"), piece("00ff")] {
        assert_eq!(Request::decode(body(&request.encode().unwrap())), Ok(request));
    }
    for answer in answers() {
        assert_eq!(BlockAnswer::decode(body(&answer.encode())), Ok(answer));
    }
}

#[test]
fn lengths_that_no_frame_has_are_refused() {
    for (length, ok) in [(0, false), (1, true), (4096, true), (4097, false), (u32::MAX, false)] {
        assert_eq!(frame_length(length.to_le_bytes()).is_ok(), ok, "{length}");
    }
}

#[test]
fn fields_that_are_too_long_are_refused_or_cut() {
    let long = Request { token: vec![0; MAX_TOKEN + 1], ..block("v") };
    assert_eq!(long.encode(), Err(BadBytes("token")));
    let name = "v".repeat(MAX_NAME);
    assert_eq!(block(&format!("{name}v")).encode(), Err(BadBytes("volume")));
    assert_eq!(piece(&format!("{name}v")).encode(), Err(BadBytes("hash")));
    for longest in [block(&name), piece(&name)] {
        let longest = Request { token: vec![0; MAX_TOKEN], ..longest };
        assert_eq!(Request::decode(body(&longest.encode().unwrap())), Ok(longest));
    }
    let problem = BlockProblem::Missing;
    let long = BlockAnswer::NotFound { problem, message: "é".repeat(MAX_MESSAGE) }.encode();
    let BlockAnswer::NotFound { message, .. } = BlockAnswer::decode(body(&long)).unwrap() else {
        panic!("another answer")
    };
    assert_eq!(message, "é".repeat(MAX_MESSAGE / 2));
}

#[test]
fn other_bytes_are_refused() {
    for request in [block("v1"), piece("00ff")] {
        let frame = request.encode().unwrap();
        let whole = body(&frame);
        for length in 0..whole.len() {
            assert!(Request::decode(&whole[..length]).is_err(), "cut off at {length}");
        }
        assert_eq!(Request::decode(&[whole, &[0]].concat()), Err(BadBytes("end")));
        let mut other_version = whole.to_vec();
        other_version[0] = 1;
        assert_eq!(Request::decode(&other_version), Err(BadBytes("version")));
    }
    assert_eq!(BlockAnswer::decode(&[VERSION, 5]), Err(BadBytes("status")));

    let mut chance = StdRng::seed_from_u64(1);
    for _ in 0..20_000 {
        let mut garbage = vec![0; chance.random_range(0..200)];
        chance.fill_bytes(&mut garbage);
        if let Some(first) = garbage.first_mut() {
            *first = VERSION;
        }
        // Some garbage is a valid frame; none may panic.
        let _ = Request::decode(&garbage);
        let _ = BlockAnswer::decode(&garbage);
    }
}

#[test]
fn a_token_is_not_shown() {
    let shown = format!("{:?}", block("v1"));
    assert!(shown.contains("reader: 17") && !shown.contains("115"), "{shown}");
}

#[test]
fn an_answer_contains_the_whole_cause() {
    let source = crate::Damage::ManifestChecksum;
    let answer = BlockAnswer::from(&ReadError::Damaged { path: "/v/0.out".into(), source });
    let message = "/v/0.out is damaged: the checksum of its manifest is wrong".to_owned();
    assert_eq!(answer, BlockAnswer::NotFound { problem: BlockProblem::Damaged, message });
}
