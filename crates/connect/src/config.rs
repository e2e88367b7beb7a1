//! `Config`: settings of a session. A key that clients need has a value even if the backend knows
//! none.

use crate::backend::Session;
use crate::error::Required;
use crate::pb;
use crate::pb::config_request::operation::OpType;
use errors::condition;
use model::conf;
use plan::SparkError;

type Result<T> = std::result::Result<T, SparkError>;
type Pairs = Vec<pb::KeyValue>;

/// Answers with pairs and warnings.
pub(crate) fn config(
    operation: Option<pb::config_request::Operation>,
    session: &dyn Session,
) -> Result<(Pairs, Vec<String>)> {
    let operation = operation.and_then(|o| o.op_type).required("config.operation")?;
    let keys = match &operation {
        OpType::Set(m) => m.pairs.iter().map(|p| p.key.clone()).collect(),
        OpType::Unset(m) => m.keys.clone(),
        _ => Vec::new(),
    };
    let pairs = match operation {
        OpType::Set(m) => set(m, session)?,
        OpType::Get(m) => m.keys.into_iter().map(|k| get(k, session)).collect::<Result<_>>()?,
        OpType::GetWithDefault(m) => m.pairs.into_iter().map(|p| or_default(p, session)).collect(),
        OpType::GetOption(m) => m.keys.into_iter().map(|k| pair(setting(&k, session), k)).collect(),
        OpType::GetAll(m) => all(m.prefix.as_deref().unwrap_or_default(), session),
        OpType::Unset(m) => {
            m.keys.iter().try_for_each(|key| session.unset(key))?;
            m.keys.into_iter().map(|key| pair(None, key)).collect()
        }
        OpType::IsModifiable(m) => {
            let modifiable = |key: &str| Some(session.is_modifiable(key).to_string());
            m.keys.into_iter().map(|key| pair(modifiable(&key), key)).collect()
        }
    };
    Ok((pairs, warnings(&keys)))
}

/// With `silent`, keys that cannot be set are ignored: clients send all options of a builder this
/// way.
fn set(message: pb::config_request::Set, session: &dyn Session) -> Result<Pairs> {
    let silent = message.silent.unwrap_or(false);
    for pb::KeyValue { key, value } in &message.pairs {
        let value = match value {
            Some(value) => value,
            None if silent => continue,
            None => return Err(crate::error::missing("config.set.pairs.value")),
        };
        match session.set(key, value) {
            Err(error) if !silent => return Err(error),
            Err(error) => tracing::debug!(key, %error, "ignored a setting that was sent silently"),
            Ok(()) => {}
        }
    }
    Ok(message.pairs)
}

fn get(key: String, session: &dyn Session) -> Result<pb::KeyValue> {
    let value = setting(&key, session);
    // One of SQL's that has no value is null.
    let is_known = conf::ALL.iter().any(|d| d.name == key && d.scope == conf::Scope::Session);
    if value.is_none() && !is_known {
        return Err(SparkError::new(
            condition::SQL_CONF_NOT_FOUND,
            format!(
                "The SQL config \"{key}\" cannot be found. Please verify that the config exists."
            ),
            &[("sqlConf", &format!("\"{key}\""))],
        ));
    }
    Ok(pair(value, key))
}

fn or_default(message: pb::KeyValue, session: &dyn Session) -> pb::KeyValue {
    let given = session.settings().remove(&message.key);
    let value = given.or(message.value).or_else(|| setting(&message.key, session));
    pair(value, message.key)
}

/// With a prefix, keys are returned without it.
fn all(prefix: &str, session: &dyn Session) -> Pairs {
    let given = session.settings().into_iter();
    let pairs = given
        .filter_map(|(key, value)| Some(pair(Some(value), key.strip_prefix(prefix)?.to_owned())));
    pairs.collect()
}

fn setting(key: &str, session: &dyn Session) -> Option<String> {
    let declared = || conf::ALL.iter().find(|d| d.name == key)?.default.map(str::to_owned);
    session.setting(key).or_else(declared).or_else(|| {
        // Clients need a time zone; UTC if the backend has none.
        (key == conf::TIME_ZONE.name).then(|| "UTC".to_owned())
    })
}

fn pair(value: Option<String>, key: String) -> pb::KeyValue {
    pb::KeyValue { key, value }
}

/// Warnings about keys that have no effect here.
fn warnings(keys: &[String]) -> Vec<String> {
    let without_effect =
        |key: &&String| conf::ALL.iter().any(|d| d.name == **key && d.effect == conf::Effect::None);
    keys.iter()
        .filter(without_effect)
        .map(|key| format!("The setting {key} has no effect here."))
        .collect()
}
