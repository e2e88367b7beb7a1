//! The whole process around a program. Python is asked only for what every Python has.

use driver::{Addresses, Program, Settings, WithoutManager};
use model::ApplicationId;
use model::launch::Dependencies;
use std::path::Path;

fn settings(directory: &Path, script: &str) -> Settings {
    let file = directory.join("program.py");
    std::fs::write(&file, script).expect("the directory is writable");
    let mut settings = Settings::new(ApplicationId("app-1".into()), "test", "s3cret");
    settings.announce = Some(directory.join("addresses"));
    settings.program = Some(Program {
        file,
        arguments: vec!["one".into(), "two words".into()],
        python: "python3".into(),
        python_path: vec![directory.to_owned()],
        files: Some("/files".into()),
        dependencies: Dependencies::default(),
        name: None,
    });
    settings
}

fn announced(directory: &Path) -> Addresses {
    let text = std::fs::read(directory.join("addresses")).expect("the driver wrote it");
    serde_json::from_slice(&text).expect("addresses")
}

#[test]
fn a_program_finds_spark_connect_and_its_exit_code_is_the_driver_s() {
    let directory = tempfile::tempdir().unwrap();
    let script = "import os, sys\n\
        out = open(os.path.join(os.path.dirname(__file__), 'seen'), 'w')\n\
        out.write('|'.join([os.environ['SPARK_REMOTE'], os.environ['SPARK_CONNECT_AUTHENTICATE_TOKEN'],\n\
            os.environ['PYTHONPATH'].split(':')[0]] + sys.argv[1:]))\n\
        out.close()\n\
        sys.exit(7)\n";
    let mut settings = settings(directory.path(), script);
    let volume = directory.path().join("volume");
    std::fs::create_dir_all(volume.join("shuffle")).unwrap();
    settings.remove = vec![volume.clone()];
    assert_eq!(driver::run(settings).unwrap(), 7);
    let seen = std::fs::read_to_string(directory.path().join("seen")).unwrap();
    let connect = announced(directory.path()).connect;
    assert_eq!(seen, format!("{connect}|s3cret|{}|one|two words", directory.path().display()));
    assert!(!volume.exists());
}

#[test]
fn a_program_is_stopped_when_the_driver_is_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path(), "import time\ntime.sleep(600)\n");
    settings.without_manager = WithoutManager::EndAfterMs(300);
    assert_eq!(driver::run(settings).unwrap(), 128 + 15);
}

#[test]
fn a_program_that_cannot_be_started_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path(), "");
    if let Some(program) = &mut settings.program {
        program.python = "/no/such/python".into();
    }
    let error = driver::run(settings).unwrap_err();
    assert_eq!(error.to_string(), "starting /no/such/python");
}

#[test]
fn a_bad_setting_is_an_error_that_names_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path(), "");
    settings.conf.set("spark.task.maxFailures", "often");
    let error = driver::run(settings).unwrap_err();
    assert!(error.to_string().starts_with("setting spark.task.maxFailures: `often`"), "{error}");
}
