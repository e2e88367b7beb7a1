//! URLs: parsing, encoding, decoding.

use errors::condition;

use datafusion::arrow::array::ArrayRef;
use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion_spark::function::url as native_url;

use crate::function::{Function, kernel, native, with};
use crate::kernel::{Args, Kernel, Nulls, returns};
use crate::run_time_error;

pub(in crate::scalar) const FUNCTIONS: &[Function] = &[
    with("parse_url", "ss?s", |call| {
        let kernel = if call.ctx.ansi { PARSE } else { TRY_PARSE };
        Ok(call.apply(kernel))
    }),
    kernel("try_parse_url", "ss?s", TRY_PARSE),
    native("url_encode", "s", native_url::url_encode),
    kernel(
        "url_decode",
        "s",
        Kernel::new("spark_url_decode", returns::string, |args| {
            let texts = args.strings(0)?;
            args.string_rows(|row| {
                let text = texts.value(row);
                decoded(text).map(Some).ok_or_else(|| {
                    run_time_error(
                        condition::CANNOT_DECODE_URL,
                        format!("The provided URL cannot be decoded: {text}. Please ensure that the URL is properly formatted and try again."),
                    )
                })
            })
        }),
    ),
    kernel(
        "try_url_decode",
        "s",
        Kernel::new("spark_try_url_decode", returns::string, |args| {
            let texts = args.strings(0)?;
            args.string_rows(|row| Ok(decoded(texts.value(row))))
        })
        .nulls(Nulls::Possible),
    ),
];

pub(in crate::scalar) const KERNELS: &[Kernel] = &[PARSE];

const PARSE: Kernel = Kernel::new("spark_parse_url", returns::string, |args| parsed(args, true))
    .nulls(Nulls::Possible);
const TRY_PARSE: Kernel =
    Kernel::new("spark_try_parse_url", returns::string, |args| parsed(args, false))
        .nulls(Nulls::Possible);

fn invalid(text: &str) -> DataFusionError {
    run_time_error(
        condition::INVALID_URL,
        format!(
            "The url is invalid: {text}. Use `try_parse_url` to tolerate invalid URL and return NULL instead."
        ),
    )
}

fn parsed(args: &Args<'_>, fail: bool) -> Result<ArrayRef> {
    let (texts, parts) = (args.strings(0)?, args.strings(1)?);
    let keys = if args.len() > 2 { Some(args.strings(2)?) } else { None };
    args.string_rows(|row| {
        let text = texts.value(row);
        let Some(address) = Address::read(text) else {
            return if fail { Err(invalid(text)) } else { Ok(None) };
        };
        let part = parts.value(row);
        Ok(match keys {
            None => address.part(part),
            Some(keys) if part == "QUERY" => address.query_value(keys.value(row)),
            Some(_) => None,
        })
    })
}

/// The components of a URL, as in RFC 2396.
#[derive(Debug, Clone, Copy)]
struct Address<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Address<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (rest, fragment) = match text.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (text, None),
        };
        let scheme_end = rest.find([':', '/', '?']).filter(|at| rest[*at..].starts_with(':'));
        let (scheme, rest) = match scheme_end {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]).filter(|a| !a.is_empty()), &rest[end..])
            }
            None => (None, rest),
        };
        let named = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        };
        let empty = scheme.is_some() && authority.is_none() && path.is_empty();
        let parts = [Some(path), authority, query, fragment];
        let legal = scheme.is_none_or(named)
            && !empty
            && parts.iter().flatten().all(|part| is_legal(part))
            && !text.contains("##");
        legal.then_some(Self { scheme, authority, path, query, fragment })
    }

    fn part(&self, name: &str) -> Option<String> {
        // An opaque URL such as `mailto:someone` has no other components.
        let opaque =
            self.scheme.is_some() && self.authority.is_none() && !self.path.starts_with('/');
        let path = (!opaque).then_some(self.path);
        let found = match name {
            "HOST" => self.host()?,
            "PATH" => path?,
            "QUERY" if !opaque => self.query?,
            "REF" => self.fragment?,
            "PROTOCOL" => self.scheme?,
            "FILE" => {
                return Some(match self.query {
                    Some(query) => format!("{}?{query}", path?),
                    None => path?.to_owned(),
                });
            }
            "AUTHORITY" => self.authority?,
            "USERINFO" => self.authority?.rsplit_once('@')?.0,
            _ => return None,
        };
        Some(found.to_owned())
    }

    /// The host, if the authority contains a valid one.
    fn host(&self) -> Option<&'a str> {
        let authority = self.authority?;
        let after = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if after.starts_with('[') {
            return after.find(']').map(|end| &after[..=end]);
        }
        let (host, port) = after.split_once(':').unwrap_or((after, ""));
        let legal = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
        (legal && !host.is_empty() && port.bytes().all(|b| b.is_ascii_digit())).then_some(host)
    }

    fn query_value(&self, key: &str) -> Option<String> {
        let pairs = self.query?.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
    }
}

/// Whether all characters are allowed in a URL, and each `%` starts an escaped byte.
fn is_legal(part: &str) -> bool {
    let bytes = part.as_bytes();
    let escape = |at: usize| {
        bytes.get(at + 1..at + 3).is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
    };
    part.char_indices().all(|(at, c)| match c {
        '%' => escape(at),
        c => !c.is_control() && !c.is_whitespace() && !"\"<>\\^`{|}".contains(c),
    })
}

fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(after.get(..2)?).ok()?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &after[2..];
            }
            byte => out.push(*byte),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
