//! Expected results of `java.util.regex`, as tables.

use super::{Cache, Replacement};

fn is_match(pattern: &str, text: &str) -> Option<bool> {
    Cache::new("rlike").get(pattern).and_then(|pattern| pattern.is_match(text)).ok()
}

/// Cases: pattern, text, whether it matches (`None` if the pattern is malformed).
fn check(cases: &[(&str, &str, Option<bool>)]) {
    for (pattern, text, expected) in cases {
        assert_eq!(is_match(pattern, text), *expected, "{pattern:?} in {text:?}");
    }
}

const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

#[test]
fn quantifiers_may_be_possessive() {
    check(&[
        ("^a++a$", "aaa", NO),
        ("^a*+b$", "aaab", YES),
        ("^(?:ab)?+ab$", "ab", NO),
        ("^a{1,3}+a$", "aaa", NO),
        ("^a{2}+a$", "aaa", YES),
        ("^[a-c]++d$", "abcd", YES),
        ("(?>a+)ab", "aaab", NO),
        ("^(a)++$", "aa", YES),
    ]);
}

#[test]
fn groups_may_look_around_and_back() {
    check(&[
        ("a(?=b)", "abc", YES),
        ("a(?!b)", "abc", NO),
        ("(?<=a)b", "abc", YES),
        ("(?<!a)b", "abc", NO),
        ("(?<=ab{1,2})c", "abbc", YES),
        ("(?<=a*)c", "abc", YES),
        ("(?<=a+)c", "abc", NO),
        ("(?<=(foo))bar", "foobar", YES),
        ("^(a)\\1$", "aa", YES),
        ("^(ab)\\1$", "abab", YES),
        ("^(?<x>ab)\\k<x>$", "abab", YES),
        ("(a)\\11", "aa", NO),
        ("(a)\\11", "aa1", YES),
        ("\\1", "", NO),
        ("\\Gabc", "abc abc", YES),
    ]);
}

#[test]
fn classes_are_java_s() {
    check(&[
        ("[a-c&&[^b]]{2}", "abc", NO),
        ("[a-c&&[^b]]{2}", "ac", YES),
        ("[a[bc]]", "b", YES),
        ("[a-z&&[def]]", "d", YES),
        ("[a-z&&[^aeiou]]", "e", NO),
        ("[a&b]", "&", YES),
        ("[^a[b]]", "b", NO),
        ("[^a&&b]", "c", YES),
        ("[a^]", "^", YES),
        ("[a\\-z]", "-", YES),
        ("[a-]+", "-", YES),
        ("[]a]", "]", YES),
        ("[\\\\]", "\\", YES),
        ("[\\Q.\\E]", ".", YES),
        ("[a~~b]", "~", YES),
        ("[a--b]", "-", None),
        ("[[:alpha:]]", ":", YES),
        ("[[:alpha:]]", "z", NO),
        ("[a[]", "[", None),
        ("[b-a]", "a", None),
        ("[\\d.]", "7", YES),
        ("[^\\d]", "7", NO),
        ("[\\D]", "7", NO),
    ]);
}

#[test]
fn names_of_classes_know_ascii_unless_asked_otherwise() {
    check(&[
        ("\\w", "é", NO),
        ("(?U)\\w", "é", YES),
        ("\\d", "٣", NO),
        ("\\s", "\u{a0}", NO),
        ("\\h", "\u{a0}", YES),
        ("\\v", "\u{b}", YES),
        ("\\R", "\n", YES),
        ("^\\R$", "\r\n", YES),
        ("\\p{L}", "é", YES),
        ("\\pL", "é", YES),
        ("\\p{IsAlphabetic}", "é", YES),
        ("\\p{Alpha}", "é", NO),
        ("\\p{Lower}", "x", YES),
        ("\\p{javaLowerCase}", "a", YES),
        ("\\p{javaWhitespace}", "\u{a0}", NO),
        ("\\p{InGreek}", "α", YES),
        ("\\p{IsGreek}", "α", YES),
        ("\\p{script=Greek}", "α", YES),
        ("\\P{L}", "a", NO),
        ("\\p{IsL}", "A", YES),
        ("\\p{XDigit}", "x", NO),
        ("\\p{Cntrl}", "\t", YES),
        ("\\p{Foo}", "a", None),
        ("^\\b", "é", YES),
        ("\\ba", "éa", NO),
    ]);
}

#[test]
fn lines_end_as_in_java() {
    check(&[
        ("a.b", "a\nb", NO),
        ("a.b", "a\rb", NO),
        ("a.b", "a\u{2028}b", NO),
        ("(?s)a.b", "a\nb", YES),
        ("(?d)a.b", "a\rb", YES),
        ("^a$", "a\n", YES),
        ("^a$", "a\r\n", YES),
        ("a$", "a\nb", NO),
        ("(?m)a$", "a\nb", YES),
        ("(?m)^b$", "a\nb", YES),
        ("a$", "a\n\n", NO),
        ("a\\z", "a\n", NO),
        ("a\\Z", "a\n", YES),
        ("a\\Z", "a\r\n", YES),
        ("\\r$", "a\r\n", NO),
    ]);
}

#[test]
fn flags_hold_where_java_says() {
    check(&[
        ("(?i)hello", "HELLO", YES),
        ("(?i)é", "É", NO),
        ("(?iu)é", "É", YES),
        ("a(?i)b(?-i)C", "AbC", NO),
        ("a(?i)b(?-i)C", "aBC", YES),
        ("a(?i:b)C", "aBC", YES),
        ("(a(?i)b)c", "aBC", NO),
        ("(?x) a \\  b", "a b", YES),
        ("(?x) a b # comment", "ab", YES),
        ("a#b", "a#b", YES),
        ("(?x)a[ ]b", "ab", None),
        ("(?z)a", "a", None),
    ]);
}

#[test]
fn characters_have_many_names() {
    check(&[
        ("\\x61", "a", YES),
        ("\\u0061", "a", YES),
        ("\\0141", "a", YES),
        ("\\t", "\t", YES),
        ("\\e", "\u{1b}", YES),
        ("\\cA", "\u{1}", YES),
        ("\\x{1F600}", "😀", YES),
        ("\\uD83D\\uDE00", "😀", YES),
        ("^.$", "😀", YES),
        ("\\Qa+b\\E", "a+b", YES),
        ("\\Qa+b", "a+b", YES),
        ("^\\Qab\\E+$", "abb", YES),
        ("a]", "a]", YES),
        ("a}", "a}", YES),
    ]);
}

#[test]
fn what_java_does_not_take_is_malformed() {
    for pattern in
        ["(", ")", "a{1", "a{", "a{,2}", "*a", "a**", "(?<n>a)(?<n>b)", "\\", "\\y", "(?<1>a)"]
    {
        check(&[(pattern, "a", None)]);
    }
}

#[test]
fn a_search_that_would_not_end_is_an_error() {
    let text = format!("{}b", "a".repeat(40));
    assert_eq!(is_match("(a+)+$", &text), NO);
    assert_eq!(is_match("^(?:(a)|(a)|(aa))+\\1\\2c", &text), None);
}

#[test]
fn texts_are_split_at_matches() {
    let cases: &[(&str, &str, i32, &[&str])] = &[
        ("a1b2c3", "\\d", -1, &["a", "b", "c", ""]),
        ("a1b2c3", "\\d", 2, &["a", "b2c3"]),
        ("abc", "", -1, &["a", "b", "c"]),
        ("abc", "", 2, &["a", "bc"]),
        ("abc", "", 3, &["a", "b", "c"]),
        ("", ",", -1, &[""]),
        ("a,,b,,", ",", 0, &["a", "", "b", "", ""]),
        (",a", ",", -1, &["", "a"]),
        ("abc", "b*", -1, &["a", "", "c", ""]),
        ("abc", "|", -1, &["a", "b", "c", ""]),
        ("aXbXc", "(?=X)", -1, &["a", "Xb", "Xc"]),
        ("aXbXc", "(?<=X)", -1, &["aX", "bX", "c"]),
        ("abc", "(?i)B", -1, &["a", "c"]),
        ("a.b", ".", -1, &["", "", "", ""]),
    ];
    for (text, pattern, limit, expected) in cases {
        let mut cache = Cache::new("split");
        let parts = cache.get(pattern).unwrap().split(text, *limit).unwrap();
        assert_eq!(parts, *expected, "{text:?} at {pattern:?}");
    }
}

#[test]
fn matches_are_replaced_and_counted() {
    let cases = [
        ("abc123", "(\\w)(\\d)", "$2$1", Some("ab1c32")),
        ("abc", "(b)", "\\$1", Some("a$1c")),
        ("abc", "b", "\\\\", Some("a\\c")),
        ("abc", "(b)", "$12", Some("ab2c")),
        ("foo bar", "(?<first>\\w+) (?<second>\\w+)", "${second} ${first}", Some("bar foo")),
        ("a", "(b)?a", "[$1]", Some("[]")),
        ("abc", "", "-", Some("-a-b-c-")),
        ("abc", "b*", "-", Some("-a--c-")),
        ("aaa", "a(?!$)", "b", Some("bba")),
        ("a\n", "(?m)^", "> ", Some("> a\n")),
        ("a\n", "$", "!", Some("a!\n!")),
        ("a\r\n", "$", "!", Some("a!\r\n!")),
        ("abc", "(b)", "$2", None),
        ("abc", "(b)", "$x", None),
        ("abc", "(b)", "$", None),
        ("abc", "(b)", "x\\", None),
        ("abc", "(b)", "${x}", None),
        ("abc", "(z)", "$2", Some("abc")),
    ];
    for (text, pattern, with, expected) in cases {
        let mut cache = Cache::new("regexp_replace");
        let pattern = cache.get(pattern).unwrap();
        let replaced = Replacement::new(pattern, with).apply(text).unwrap();
        assert_eq!(replaced.as_deref(), expected, "{text:?} with {with:?}");
    }
    for (text, pattern, expected) in [("abc", "", 4), ("abab", "(?=b)", 2), ("banana", "an", 2)] {
        assert_eq!(Cache::new("f").get(pattern).unwrap().count(text).unwrap(), expected);
    }
}
