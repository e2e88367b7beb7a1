//! Decoding of the service's messages: as prost does it, but a message nested too deep for our
//! stacks is refused first.

use bytes::{Buf, Bytes};
use prost::Message;
use std::marker::PhantomData;
use tonic::Status;
use tonic::codec::{DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// Limit on the nesting of messages; a relation or expression is two or three levels.
const MAX_NESTING: usize = 10_000;

/// The codec that the generated client and server use.
#[derive(Debug, Clone)]
pub(crate) struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = BoundedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        BoundedDecoder(PhantomData)
    }
}

/// Decodes a message after checking its nesting.
#[derive(Debug)]
pub(crate) struct BoundedDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for BoundedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let message = decode(bytes).map_err(Status::internal)?;
        Ok(Some(message))
    }
}

/// Decodes a message, or returns the reason why it cannot be.
pub(crate) fn decode<U: Message + Default>(bytes: Bytes) -> Result<U, String> {
    if is_nested_deeper_than(MAX_NESTING, &bytes) {
        return Err(format!("the message is nested deeper than {MAX_NESTING} levels"));
    }
    U::decode(bytes).map_err(|e| e.to_string())
}

/// Whether fields are nested deeper than the limit. Every field that could be a message counts as
/// one, so the answer may be yes for mere text, but never no for a message that is too deep. Looks
/// at each byte once.
fn is_nested_deeper_than(limit: usize, bytes: &[u8]) -> bool {
    // End of each field around the current position, and the number of groups open in it.
    let mut around = vec![(bytes.len(), 0_usize)];
    let mut groups = 0;
    let mut at = 0;
    while let Some((end, open)) = around.last_mut() {
        let step = if at < *end { step(&bytes[at..*end]) } else { Step::Stop };
        match step {
            Step::Over(length) => at += length,
            Step::Into { head, length } => {
                at += head;
                around.push((at + length, 0));
            }
            Step::OpenGroup(length) => {
                at += length;
                *open += 1;
                groups += 1;
            }
            Step::CloseGroup(length) if *open > 0 => {
                at += length;
                *open -= 1;
                groups -= 1;
            }
            Step::Stop | Step::CloseGroup(_) => {
                at = *end;
                groups -= *open;
                around.pop();
            }
        }
        if around.len() + groups > limit {
            return true;
        }
    }
    false
}

/// The next step of the search.
enum Step {
    /// Skip a field that cannot hold messages.
    Over(usize),
    /// Enter a field that may be a message.
    Into { head: usize, length: usize },
    /// Enter a group, the old form of a nested message.
    OpenGroup(usize),
    /// Leave a group.
    CloseGroup(usize),
    /// The end, or not a message at all.
    Stop,
}

fn step(bytes: &[u8]) -> Step {
    let mut rest = bytes;
    let Some(tag) = varint(&mut rest) else { return Step::Stop };
    let fixed = |rest: &[u8], length: usize| {
        if rest.len() < length { Step::Stop } else { Step::Over(bytes.len() - rest.len() + length) }
    };
    match tag & 7 {
        0 => match varint(&mut rest) {
            Some(_) => Step::Over(bytes.len() - rest.len()),
            None => Step::Stop,
        },
        1 => fixed(rest, 8),
        2 => match varint(&mut rest).and_then(|n| usize::try_from(n).ok()) {
            Some(length) if length <= rest.len() => {
                Step::Into { head: bytes.len() - rest.len(), length }
            }
            _ => Step::Stop,
        },
        3 => Step::OpenGroup(bytes.len() - rest.len()),
        4 => Step::CloseGroup(bytes.len() - rest.len()),
        5 => fixed(rest, 4),
        _ => Step::Stop,
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `levels` messages, each the first field of the next.
    fn nested(levels: usize) -> Vec<u8> {
        let mut message: Vec<u8> = vec![0x08, 0x01];
        for _ in 0..levels {
            let mut outer = vec![0x0a];
            prost::encoding::encode_varint(message.len() as u64, &mut outer);
            outer.extend_from_slice(&message);
            message = outer;
        }
        message
    }

    #[test]
    fn nesting_is_seen_wherever_it_is() {
        let mut beside = nested(3);
        beside.extend(nested(200));
        beside.extend(nested(3));
        let mut in_text = vec![0x12, 3, b'a', b'b', b'c'];
        in_text.extend(nested(200));
        let groups = vec![0x0b; 300];
        let closed: Vec<u8> = [0x0b, 0x0c].repeat(500);
        let arrow = [[0xff_u8; 4], [0x0a, 0x02, 0x0a, 0x00]].concat().repeat(1000);
        let cases: [(&str, &[u8], bool); 8] = [
            ("nothing", &[], false),
            ("a little", &nested(90), false),
            ("much", &nested(200), true),
            ("beside others", &beside, true),
            ("after text", &in_text, true),
            ("groups", &groups, true),
            ("groups that end", &closed, false),
            ("other bytes", &arrow, false),
        ];
        for (what, bytes, expected) in cases {
            assert_eq!(is_nested_deeper_than(100, bytes), expected, "{what}");
        }
    }

    #[test]
    fn a_message_too_deep_is_refused_before_it_is_decoded() {
        assert!(decode::<crate::pb::Relation>(nested(20_000).into()).is_err());
        assert!(decode::<crate::pb::Relation>(nested(3).into()).is_ok());
    }
}
