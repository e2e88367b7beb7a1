//! URLs, and masking, quoting and validation of strings.

use super::*;

#[test]
fn an_address_is_taken_apart() {
    let address = s("https://ann:pw@example.org:8080/a/b.html?k=v&n=7#top");
    let cases = [
        ("HOST", "string example.org"),
        ("PATH", "string /a/b.html"),
        ("QUERY", "string k=v&n=7"),
        ("REF", "string top"),
        ("PROTOCOL", "string https"),
        ("FILE", "string /a/b.html?k=v&n=7"),
        ("AUTHORITY", "string ann:pw@example.org:8080"),
        ("USERINFO", "string ann:pw"),
        ("host", "string NULL"),
    ];
    for (part, expected) in cases {
        check("parse_url", &[address.clone(), s(part)], expected);
    }
    check("parse_url", &[address.clone(), s("QUERY"), s("n")], "string 7");
    check("parse_url", &[address, s("QUERY"), s("x")], "string NULL");
    check("parse_url", &[s("inva lid://a/b"), s("HOST")], "! INVALID_URL");
    check("try_parse_url", &[s("inva lid://a/b"), s("HOST")], "string NULL");
    check_legacy("parse_url", &[s("inva lid://a/b"), s("HOST")], "string NULL");
}

#[test]
fn addresses_are_encoded_and_decoded() {
    check("url_encode", &[s("a b&ü*")], "string a+b%26%C3%BC*");
    check("url_decode", &[s("a+b%26%C3%BC")], "string a b&ü");
    check("url_decode", &[s("%4")], "! CANNOT_DECODE_URL");
    check("try_url_decode", &[s("%zz")], "string NULL");
}

#[test]
fn text_is_masked_and_quoted() {
    check("mask", &[s("Ab-12")], "string Xx-nn");
    check("mask", &[s("Ab-12"), s("Q"), N, s("d"), s("*")], "string Qb*dd");
    check_constant("mask", &[s("Ab"), s("QQ")], "! DATATYPE_MISMATCH.INPUT_SIZE_NOT_ONE");
    check("quote", &[s("it's")], "string 'it\\'s'");
    check(
        "sentences",
        &[s("Hi there! Don't you see?")],
        "array<array<string>> [[Hi, there], [Don't, you, see]]",
    );
}

#[test]
fn bytes_are_checked_for_being_text() {
    check("is_valid_utf8", &[bin(b"ab\xff")], "boolean false");
    check("validate_utf8", &[bin(b"ab")], "string ab");
    check("validate_utf8", &[bin(b"ab\xff")], "! INVALID_UTF8_STRING");
    check("try_validate_utf8", &[bin(b"\xff")], "string NULL");
    check("make_valid_utf8", &[bin(b"a\xff")], "string a\u{fffd}");
}
