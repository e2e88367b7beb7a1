//! Values that ask for nothing: they turn off, or choose, what is the case here anyway.

use super::declared;

/// Switches of Spark's that have no effect here, and the value that describes the actual behaviour.
const ACTUAL_BEHAVIOUR: &[(&str, &str)] = &[
    ("spark.blacklist.enabled", "false"),
    ("spark.eventLog.enabled", "false"),
    ("spark.executor.processTreeMetrics.enabled", "false"),
    ("spark.plugins", ""),
    ("spark.shuffle.push.enabled", "false"),
    ("spark.shuffle.service.enabled", "false"),
    ("spark.speculation.efficiency.enabled", "false"),
    ("spark.sql.catalogImplementation", "in-memory"),
    ("spark.sql.cbo.enabled", "false"),
    ("spark.sql.streaming.metricsEnabled", "false"),
    ("spark.ui.enabled", "false"),
    ("spark.ui.prometheus.enabled", "false"),
];

/// Whether a key without effect is set to a value that asks for none: its default, or the actual
/// behaviour.
pub fn asks_for_nothing(key: &str, value: &str) -> bool {
    let as_it_is =
        ACTUAL_BEHAVIOUR.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
    let default = declared(key).and_then(|declared| declared.default);
    let value = value.trim();
    as_it_is.or(default).is_some_and(|known| known.eq_ignore_ascii_case(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_differ_from_the_actual_behaviour_ask_for_something() {
        for (key, value, nothing) in [
            ("spark.shuffle.push.enabled", "false", true),
            ("spark.shuffle.push.enabled", " False", true),
            ("spark.shuffle.push.enabled", "true", false),
            ("spark.eventLog.enabled", "false", true),
            ("spark.ui.enabled", "true", false),
            ("spark.sql.execution.arrow.pyspark.enabled", "true", true),
            ("spark.sql.execution.arrow.pyspark.enabled", "false", false),
            ("spark.serializer", "org.apache.spark.serializer.KryoSerializer", false),
            ("spark.specualtion", "false", false),
        ] {
            assert_eq!(asks_for_nothing(key, value), nothing, "{key}={value}");
        }
        for (key, value) in ACTUAL_BEHAVIOUR {
            let default = declared(key).and_then(|declared| declared.default);
            assert_ne!(default, Some(*value), "{key} is declared, and its default describes it");
        }
    }
}
