//! What a driver is told at its start, once, as one JSON document. Its types are words of the
//! domain, because cluster managers write it.

pub use model::launch::DriverSettings as Settings;
pub use model::launch::{Access, Addresses, Forget, Program, WithoutManager};

#[cfg(test)]
mod tests {
    use super::*;
    use model::ApplicationId;
    use std::path::PathBuf;

    #[test]
    fn settings_survive_json_and_few_are_needed() {
        let mut settings = Settings::new(ApplicationId("app-1".into()), "pi", "s3cret");
        settings.conf.set("spark.master", "local[2]");
        settings.without_manager = WithoutManager::EndAfterMs(2000);
        let text = serde_json::to_string(&settings).unwrap();
        let read: Settings = serde_json::from_str(&text).unwrap();
        assert_eq!(format!("{read:?}"), format!("{settings:?}"));

        let least =
            r#"{"application":"a","name":"n","epoch":1,"token":"t","program":{"file":"p.py"}}"#;
        let read: Settings = serde_json::from_str(least).unwrap();
        assert_eq!(read.program.unwrap().python, PathBuf::from("python3"));
        assert!(serde_json::from_str::<Settings>(r#"{"application":"a","nmae":"n"}"#).is_err());
    }
}
