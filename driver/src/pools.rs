//! How jobs share the slots, as the settings say: `spark.scheduler.mode` and the pools of
//! `spark.scheduler.allocation.file`, an XML file as Spark has it.

use crate::Error;
use model::conf::{ALLOCATION_FILE, Conf, SCHEDULER_MODE, SchedulerMode};
use roxmltree::{Document, Node};
use scheduler::{PoolOrder, PoolRules, Sharing};
use std::collections::BTreeMap;
use std::path::Path;

/// How jobs share the slots.
pub(crate) fn sharing(conf: &Conf) -> Result<Sharing, Error> {
    if conf.get(&SCHEDULER_MODE)? == SchedulerMode::Fifo {
        return Ok(Sharing::Fifo);
    }
    let Some(file) = conf.find(&ALLOCATION_FILE)? else {
        return Ok(Sharing::Fair(BTreeMap::new()));
    };
    let file = Path::new(file.strip_prefix("file:").unwrap_or(&file)).to_owned();
    let text = std::fs::read_to_string(&file)
        .map_err(|source| Error::Read { file: file.clone(), source })?;
    let pools = pools(&text).map_err(|source| Error::Pools { file, source })?;
    Ok(Sharing::Fair(pools))
}

/// The pools of an allocation file.
fn pools(text: &str) -> Result<BTreeMap<String, PoolRules>, roxmltree::Error> {
    let document = Document::parse(text)?;
    let pools = document.descendants().filter(|node| node.has_tag_name("pool"));
    Ok(pools
        .map(|node| (node.attribute("name").unwrap_or_default().to_owned(), rules(node)))
        .collect())
}

/// The rules of a pool. As in Spark, what cannot be read is as if it were not there.
fn rules(pool: Node<'_, '_>) -> PoolRules {
    let name = pool.attribute("name").unwrap_or_default();
    let text = |tag: &str| {
        let node = pool.children().find(|node| node.has_tag_name(tag))?;
        node.text().map(str::trim).filter(|text| !text.is_empty())
    };
    let ignored = |tag: &str, text: &str| {
        tracing::warn!("the {tag} of the scheduler pool \"{name}\" is ignored: {text}");
    };
    let number = |tag: &str, default: u32| match text(tag).map(|text| (text, text.parse())) {
        None => default,
        Some((_, Ok(number))) => number,
        Some((text, Err(_))) => {
            ignored(tag, text);
            default
        }
    };
    let rules = PoolRules::default();
    let order = match text("schedulingMode").map(str::to_ascii_uppercase).as_deref() {
        Some("FAIR") => PoolOrder::Fair,
        Some("FIFO") | None => PoolOrder::Fifo,
        Some(other) => {
            ignored("schedulingMode", other);
            rules.order
        }
    };
    let (weight, min_share) = (number("weight", rules.weight), number("minShare", rules.min_share));
    PoolRules { order, weight, min_share }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spark's template, and what its own tests have of bad values.
    const FILE: &str = r#"<?xml version="1.0"?>
        <!-- comments are allowed -->
        <allocations>
          <pool name="production">
            <schedulingMode>FAIR</schedulingMode>
            <weight>1</weight>
            <minShare>2</minShare>
          </pool>
          <pool name="test">
            <schedulingMode> fifo </schedulingMode>
            <weight>2</weight>
            <minShare>3</minShare>
          </pool>
          <pool name="bad">
            <schedulingMode>NONE</schedulingMode>
            <weight>heavy</weight>
            <minShare></minShare>
          </pool>
          <pool name="bare"/>
        </allocations>"#;

    #[test]
    fn pools_have_the_rules_of_the_file_and_defaults_for_what_cannot_be_read() {
        let pools = pools(FILE).unwrap();
        let production = PoolRules { order: PoolOrder::Fair, weight: 1, min_share: 2 };
        let test = PoolRules { order: PoolOrder::Fifo, weight: 2, min_share: 3 };
        let named = [
            ("production", production),
            ("test", test),
            ("bad", PoolRules::default()),
            ("bare", PoolRules::default()),
        ];
        let expected = named.map(|(name, rules)| (name.to_owned(), rules));
        assert_eq!(pools, BTreeMap::from(expected));
    }

    #[test]
    fn a_file_that_is_no_xml_or_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fair.xml");
        let conf: Conf =
            [(SCHEDULER_MODE.name, "FAIR"), (ALLOCATION_FILE.name, file.to_str().unwrap())]
                .into_iter()
                .collect();
        assert!(matches!(sharing(&conf), Err(Error::Read { file: named, .. }) if named == file));
        std::fs::write(&file, "<allocations><pool name='a'>").unwrap();
        assert!(matches!(sharing(&conf), Err(Error::Pools { file: named, .. }) if named == file));
    }
}
