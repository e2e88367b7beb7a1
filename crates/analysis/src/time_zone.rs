//! The default time zone of a session.

/// The machine's time zone, for sessions that set none.
pub fn machine_zone() -> String {
    let named = std::env::var("TZ").ok().filter(|zone| !zone.is_empty());
    let linked = || {
        let target = std::fs::read_link("/etc/localtime").ok()?;
        let text = target.to_str()?;
        text.split_once("zoneinfo/").map(|(_, zone)| zone.to_owned())
    };
    named.or_else(linked).unwrap_or_else(|| "UTC".to_owned())
}
