//! Numbers and text as bytes, for the manifest and the wire. Decoding checks everything and never
//! allocates more than the input contains.

/// The bytes do not decode; names the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bad field `{0}`")]
pub struct BadBytes(pub &'static str);

/// Appends fields to a buffer. Numbers are little-endian.
#[derive(Debug, Default)]
pub(crate) struct Encoder(pub(crate) Vec<u8>);

impl Encoder {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Seven bits per byte, lowest first: most lengths are short.
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// A length, then the bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.raw(bytes);
    }
}

/// Takes fields from the front of a slice.
#[derive(Debug)]
pub(crate) struct Decoder<'a>(pub(crate) &'a [u8]);

impl<'a> Decoder<'a> {
    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], BadBytes> {
        let (head, rest) = self.0.split_first_chunk().ok_or(BadBytes(field))?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, BadBytes> {
        self.array(field).map(u8::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, BadBytes> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, BadBytes> {
        self.array(field).map(u64::from_le_bytes)
    }

    pub(crate) fn varint(&mut self, field: &'static str) -> Result<u64, BadBytes> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.u8(field)?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits << shift;
            if shifted >> shift != bits {
                return Err(BadBytes(field));
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(BadBytes(field))
    }

    /// A length and that many bytes, at most `limit`.
    pub(crate) fn bytes(
        &mut self,
        limit: usize,
        field: &'static str,
    ) -> Result<&'a [u8], BadBytes> {
        let length = usize::try_from(self.varint(field)?).map_err(|_| BadBytes(field))?;
        if length > limit {
            return Err(BadBytes(field));
        }
        let (head, rest) = self.0.split_at_checked(length).ok_or(BadBytes(field))?;
        self.0 = rest;
        Ok(head)
    }

    pub(crate) fn text(&mut self, limit: usize, field: &'static str) -> Result<String, BadBytes> {
        let bytes = self.bytes(limit, field)?;
        str::from_utf8(bytes).map(str::to_owned).map_err(|_| BadBytes(field))
    }

    /// Fails if bytes are left over.
    pub(crate) fn finish(self) -> Result<(), BadBytes> {
        if self.0.is_empty() { Ok(()) } else { Err(BadBytes("end")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Encoder::default();
            out.varint(value);
            out.bytes(b"abc");
            let mut input = Decoder(&out.0);
            assert_eq!(input.varint("v"), Ok(value));
            assert_eq!(input.bytes(3, "b"), Ok(&b"abc"[..]));
            assert_eq!(input.finish(), Ok(()));
        }
    }

    #[test]
    fn lengths_beyond_the_end_or_the_limit_are_refused() {
        let cases: [(&str, &[u8]); 5] = [
            ("nothing", &[]),
            ("cut off", &[5, 1, 2]),
            ("above the limit", &[9, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
            ("a huge length", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            ("a number that never ends", &[0xff; 20]),
        ];
        for (name, bytes) in cases {
            assert_eq!(Decoder(bytes).bytes(8, "b"), Err(BadBytes("b")), "{name}");
        }
    }
}
