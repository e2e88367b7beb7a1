//! Bytes as text in base 64.

/// Bytes as text.
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let byte = |at: usize| u32::from(part.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let filled = digit <= part.len();
            let index = (bits >> (18 - 6 * digit) & 63) as usize;
            out.push(if filled { char::from(DIGITS[index]) } else { '=' });
        }
    }
    out
}

/// Text as bytes, as Jackson reads it: blanks between groups do not count, and the last group is
/// filled up with `=`.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut bytes = text.bytes().peekable();
    loop {
        while bytes.next_if(|b| *b <= b' ').is_some() {}
        let Some(first) = bytes.next() else { return Some(out) };
        let mut bits = digit(first)? << 6 | digit(bytes.next()?)?;
        let mut count = 1;
        for _ in 0..2 {
            let byte = bytes.next()?;
            if byte == b'=' {
                // Only the end of a group is filled up.
                bits <<= 6 * (3 - count);
                for _ in count..2 {
                    bytes.next().filter(|b| *b == b'=')?;
                }
                break;
            }
            bits = bits << 6 | digit(byte)?;
            count += 1;
        }
        out.extend_from_slice(&bits.to_be_bytes()[1..=count]);
    }
}

fn digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_to_text_and_back() {
        let cases: [(&str, &[u8]); 5] =
            [("", b""), ("AA==", b"\0"), ("aGk=", b"hi"), ("aGkh", b"hi!"), ("aGkhaQ==", b"hi!i")];
        for (text, bytes) in cases {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
        }
        for bad in ["a", "a*==", "aGk", "aG", "a===", "aGk=x"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        assert_eq!(decode(" aGkh\naGk= ").as_deref(), Some(&b"hi!hi"[..]));
    }
}
