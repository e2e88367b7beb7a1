//! Scripts of several statements.

use crate::split_statements;

#[test]
fn a_script_falls_apart_at_its_semicolons() {
    let cases: [(&str, &[(u32, &str)]); 8] = [
        ("select 1; select 2", &[(1, "select 1"), (1, "select 2")]),
        ("\n\nselect 1;\n-- a; b\nselect\n 2;\n", &[(3, "select 1"), (5, "select\n 2")]),
        ("select ';', \"a;b\", `c;d`;", &[(1, "select ';', \"a;b\", `c;d`")]),
        (r"select 'it\'s;'; x", &[(1, r"select 'it\'s;'"), (1, "x")]),
        ("select 'a'';b'; y", &[(1, "select 'a'';b'"), (1, "y")]),
        ("/* a; /* b; */ c; */ select 1", &[(1, "select 1")]),
        ("select /* ; */ 1 -- ;\n+ 2;;; -- end", &[(1, "select /* ; */ 1 -- ;\n+ 2")]),
        ("  ;\n/* open ;", &[]),
    ];
    for (text, expected) in cases {
        let got: Vec<(u32, &str)> =
            split_statements(text).iter().map(|p| (p.line, p.text)).collect();
        assert_eq!(got, expected, "{text}");
    }
}
