//! Settings that are too long for one variable.

use super::*;
use std::fmt::Write as _;

/// Expands a variable's text as Kubernetes does.
fn expanded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) =
            rest.strip_prefix('(').and_then(|inside| inside.split_once(')'))
        {
            let _ = write!(out, "<{name}>");
            rest = after;
        } else {
            out.push('$');
        }
    }
    out + rest
}

#[test]
fn settings_of_any_size_reach_the_driver_in_parts_that_linux_takes() {
    let arguments = [
        vec!["x".repeat(20_000); 8],
        vec!["$".repeat(120_000); 3],
        vec!["ü$(FIRESTEEL_TOKEN)".repeat(5_000); 4],
        vec!["short".to_owned()],
    ];
    for arguments in arguments {
        let pod = driver(json!({ "arguments": arguments }));
        let all = spark(&pod).env.as_ref().unwrap();
        let variables: BTreeMap<String, String> = all
            .iter()
            .filter_map(|variable| {
                Some((variable.name.clone(), expanded(variable.value.as_ref()?)))
            })
            .collect();
        let longest = variables.iter().map(|(name, value)| name.len() + value.len()).max();
        assert!(longest < Some(120 << 10), "{longest:?}");
        let settings = model::launch::settings_of(|name| variables.get(name).cloned()).unwrap();
        let read: model::launch::DriverSettings = serde_json::from_str(&settings).unwrap();
        assert_eq!(read.program.unwrap().arguments, arguments);
        assert_eq!(&*read.token, "<FIRESTEEL_TOKEN>");
    }
}
