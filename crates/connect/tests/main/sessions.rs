//! Sessions: who may use them, their settings, copies and ends; and questions about relations.

use crate::fake::{Fake, client, connected, serve};
use crate::requests::{
    analyze, config, error_class, error_info, execute, root, run, schema_of, set, table, user, uuid,
};
use connect::pb;
use connect::pb::analyze_plan_request::{self as question, Analyze};
use connect::pb::analyze_plan_response::Result as Answer;
use connect::pb::config_request::operation::OpType;
use connect::pb::config_request::{self as cr};
use std::sync::atomic::Ordering::SeqCst;

fn pair(key: &str, value: Option<&str>) -> pb::KeyValue {
    pb::KeyValue { key: key.into(), value: value.map(Into::into) }
}

#[tokio::test]
async fn only_a_client_with_the_token_is_admitted() {
    let address = serve(Fake::default(), Some("secret")).await;
    let mut client = client(&address).await;
    let request = |authorization: Option<&str>| {
        let get = OpType::GetAll(cr::GetAll { prefix: None });
        let mut request = tonic::Request::new(config(&uuid(), get));
        if let Some(value) = authorization {
            request.metadata_mut().insert("authorization", value.parse().unwrap());
        }
        request
    };
    for wrong in
        [None, Some("Bearer"), Some("Bearer secret2"), Some("secret"), Some("Basic secret")]
    {
        let status = client.config(request(wrong)).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unauthenticated, "{wrong:?}");
    }
    client.config(request(Some("Bearer secret"))).await.unwrap();
}

#[tokio::test]
async fn settings_are_asked_and_set() {
    let (_, mut client) = connected().await;
    let session = uuid();
    let mut ask = async |operation| {
        Ok::<_, tonic::Status>(client.config(config(&session, operation)).await?.into_inner())
    };
    // Keys that clients need.
    for key in [
        "spark.sql.timestampType",
        "spark.sql.session.timeZone",
        "spark.sql.session.localRelationCacheThreshold",
        "spark.sql.session.localRelationSizeLimit",
        "spark.sql.session.localRelationChunkSizeRows",
        "spark.sql.session.localRelationChunkSizeBytes",
        "spark.sql.session.localRelationBatchOfChunksSizeBytes",
        "spark.sql.execution.pandas.convertToArrowArraySafely",
        "spark.sql.execution.pandas.inferPandasDictAsMap",
        "spark.sql.execution.pandas.structHandlingMode",
        "spark.sql.pyspark.inferNestedDictAsStruct.enabled",
        "spark.sql.pyspark.legacy.inferArrayTypeFromFirstElement.enabled",
        "spark.sql.pyspark.legacy.inferMapTypeFromFirstPair.enabled",
        "spark.sql.execution.arrow.useLargeVarTypes",
        "spark.sql.execution.arrow.pyspark.selfDestruct.enabled",
        "spark.connect.session.planCompression.threshold",
        "spark.connect.session.planCompression.defaultAlgorithm",
        "spark.sql.connect.serverStacktrace.enabled",
    ] {
        let reply = ask(OpType::Get(cr::Get { keys: vec![key.into()] })).await.unwrap();
        assert!(reply.pairs[0].value.is_some(), "{key}");
    }
    let status = ask(OpType::Get(cr::Get { keys: vec!["no.such".into()] })).await.unwrap_err();
    assert_eq!(error_class(&status), "SQL_CONF_NOT_FOUND");
    let classes = &error_info(&status).metadata["classes"];
    assert!(classes.contains("org.apache.spark.SparkNoSuchElementException"));
    let unset = "spark.sql.pyspark.udf.profiler";
    let without_value = ask(OpType::Get(cr::Get { keys: vec![unset.into()] })).await;
    assert_eq!(without_value.unwrap().pairs, [pair(unset, None)]);
    let option = ask(OpType::GetOption(cr::GetOption { keys: vec!["no.such".into()] })).await;
    assert_eq!(option.unwrap().pairs, [pair("no.such", None)]);
    let defaults = vec![pair("no.such", Some("x")), pair("spark.sql.ansi.enabled", Some("maybe"))];
    let with = ask(OpType::GetWithDefault(cr::GetWithDefault { pairs: defaults.clone() })).await;
    assert_eq!(with.unwrap().pairs, defaults);

    let both = vec![pair("spark.master", Some("x")), pair("spark.a", Some("1"))];
    let loud = ask(OpType::Set(cr::Set { pairs: both.clone(), silent: None })).await;
    assert_eq!(error_class(&loud.unwrap_err()), "CANNOT_MODIFY_CONFIG");
    ask(OpType::Set(cr::Set { pairs: both, silent: Some(true) })).await.unwrap();
    let all = ask(OpType::GetAll(cr::GetAll { prefix: Some("spark.".into()) })).await.unwrap();
    assert_eq!(all.pairs, [pair("a", Some("1"))]);
    ask(OpType::Unset(cr::Unset { keys: vec!["spark.a".into()] })).await.unwrap();
    let all = ask(OpType::GetAll(cr::GetAll { prefix: None })).await.unwrap();
    assert_eq!(all.pairs, []);
    let keys = vec!["spark.master".into(), "spark.a".into()];
    let reply = ask(OpType::IsModifiable(cr::IsModifiable { keys })).await.unwrap();
    assert_eq!(reply.pairs, [pair("spark.master", Some("false")), pair("spark.a", Some("true"))]);
    let effectless = vec![pair("spark.serializer", Some("kryo"))];
    let reply = ask(OpType::Set(cr::Set { pairs: effectless, silent: None })).await.unwrap();
    assert_eq!(reply.warnings.len(), 1);
}

#[tokio::test]
async fn a_session_has_one_id_of_the_servers_and_clients_hold_it_to_that() {
    let (_, mut client) = connected().await;
    let session = uuid();
    let first = client.analyze_plan(schema_of(&session, table("t"))).await.unwrap().into_inner();
    let mut request = schema_of(&session, table("t"));
    request.client_observed_server_side_session_id = Some(first.server_side_session_id.clone());
    let second = client.analyze_plan(request.clone()).await.unwrap().into_inner();
    assert_eq!(second.server_side_session_id, first.server_side_session_id);
    request.client_observed_server_side_session_id = Some(uuid());
    let status = client.analyze_plan(request.clone()).await.unwrap_err();
    assert_eq!(error_class(&status), "INVALID_HANDLE.SESSION_CHANGED");
    // A session that this server never had.
    request.session_id = uuid();
    let status = client.analyze_plan(request.clone()).await.unwrap_err();
    assert_eq!(error_class(&status), "INVALID_HANDLE.SESSION_CHANGED");
    request.session_id = "me".into();
    let status = client.analyze_plan(request).await.unwrap_err();
    assert_eq!(error_class(&status), "INVALID_HANDLE.FORMAT");
}

#[tokio::test]
async fn a_released_session_is_closed_and_its_operations_end() {
    let (seen, mut client) = connected().await;
    let session = uuid();
    let request = execute(&session, &uuid(), root(table("never")));
    let _stream = client.execute_plan(request).await.unwrap();
    crate::fake::until("it runs", || seen.started.load(SeqCst) == 1).await;
    let release = |allow_reconnect| pb::ReleaseSessionRequest {
        session_id: session.clone(),
        user_context: user(),
        allow_reconnect,
        ..Default::default()
    };
    client.release_session(release(true)).await.unwrap();
    crate::fake::until("it is dropped", || seen.dropped.load(SeqCst) == 1).await;
    assert_eq!(seen.closed.load(SeqCst), 1);
    run(&mut client, execute(&session, &uuid(), root(table("batches_1")))).await.unwrap();
    client.release_session(release(false)).await.unwrap();
    client.release_session(release(false)).await.unwrap();
    assert_eq!(seen.closed.load(SeqCst), 2);
    let request = execute(&session, &uuid(), root(table("batches_1")));
    let status = run(&mut client, request).await.unwrap_err();
    assert_eq!(error_class(&status), "INVALID_HANDLE.SESSION_CLOSED");
}

#[tokio::test]
async fn a_clone_goes_its_own_way() {
    let (_, mut client) = connected().await;
    let (session, copy) = (uuid(), uuid());
    set(&mut client, &session, "spark.a", "1").await;
    let request = pb::CloneSessionRequest {
        session_id: session.clone(),
        user_context: user(),
        new_session_id: Some(copy.clone()),
        ..Default::default()
    };
    let reply = client.clone_session(request.clone()).await.unwrap().into_inner();
    assert_eq!(reply.new_session_id, copy);
    assert_ne!(reply.new_server_side_session_id, reply.server_side_session_id);
    set(&mut client, &session, "spark.a", "2").await;
    let get = OpType::Get(cr::Get { keys: vec!["spark.a".into()] });
    let reply = client.config(config(&copy, get)).await.unwrap().into_inner();
    assert_eq!(reply.pairs, [pair("spark.a", Some("1"))]);
    let status = client.clone_session(request.clone()).await.unwrap_err();
    assert_eq!(
        error_class(&status),
        "INVALID_CLONE_SESSION_REQUEST.TARGET_SESSION_ID_ALREADY_EXISTS"
    );
    let nowhere = pb::CloneSessionRequest { session_id: uuid(), ..request };
    let status = client.clone_session(nowhere).await.unwrap_err();
    assert_eq!(error_class(&status), "INVALID_HANDLE.SESSION_NOT_FOUND");
}

#[tokio::test]
async fn every_question_about_a_relation_is_answered() {
    let (_, mut client) = connected().await;
    let session = uuid();
    let mut ask = async |question| {
        let reply = client.analyze_plan(analyze(&session, question)).await;
        reply.map(|r| r.into_inner().result.unwrap())
    };
    let plan = || root(table("t"));
    let Answer::Schema(_) = ask(Analyze::Schema(question::Schema { plan: plan() })).await.unwrap()
    else {
        panic!("a schema is expected")
    };
    let explain = question::Explain { plan: plan(), explain_mode: 5 };
    let Answer::Explain(text) = ask(Analyze::Explain(explain)).await.unwrap() else {
        panic!("a text is expected")
    };
    assert_eq!(text.explain_string, "Formatted");
    let tree = question::TreeString { plan: plan(), level: None };
    let Answer::TreeString(tree) = ask(Analyze::TreeString(tree)).await.unwrap() else {
        panic!("a tree is expected")
    };
    assert_eq!(tree.tree_string, "root\n |-- id: long (nullable = false)\n");
    let Answer::SparkVersion(version) =
        ask(Analyze::SparkVersion(question::SparkVersion {})).await.unwrap()
    else {
        panic!("a version is expected")
    };
    assert!(version.version.starts_with("4."));
    let json =
        r#"{"type":"struct","fields":[{"name":"a","type":"long","nullable":true,"metadata":{}}]}"#;
    let to_ddl = question::JsonToDdl { json_string: json.into() };
    let Answer::JsonToDdl(ddl) = ask(Analyze::JsonToDdl(to_ddl)).await.unwrap() else {
        panic!("a text is expected")
    };
    assert_eq!(ddl.ddl_string, "a BIGINT");
    let same = |other: &str| {
        Analyze::SameSemantics(question::SameSemantics {
            target_plan: plan(),
            other_plan: root(table(other)),
        })
    };
    for (other, expected) in [("t", true), ("other", false)] {
        let Answer::SameSemantics(same) = ask(same(other)).await.unwrap() else {
            panic!("a truth is expected")
        };
        assert_eq!(same.result, expected);
    }
    let rest = vec![
        Analyze::IsLocal(question::IsLocal { plan: plan() }),
        Analyze::IsStreaming(question::IsStreaming { plan: plan() }),
        Analyze::InputFiles(question::InputFiles { plan: plan() }),
        Analyze::SemanticHash(question::SemanticHash { plan: plan() }),
        Analyze::DdlParse(question::DdlParse { ddl_string: "int".into() }),
        Analyze::Persist(question::Persist { relation: Some(table("t")), storage_level: None }),
        Analyze::Unpersist(question::Unpersist { relation: Some(table("t")), blocking: None }),
        Analyze::GetStorageLevel(question::GetStorageLevel { relation: Some(table("t")) }),
    ];
    for question in rest {
        ask(question).await.unwrap();
    }
    let bad = ask(Analyze::DdlParse(question::DdlParse { ddl_string: "unicorn".into() })).await;
    assert_eq!(error_class(&bad.unwrap_err()), "PARSE_SYNTAX_ERROR");
    let none = ask(Analyze::Schema(question::Schema { plan: None })).await.unwrap_err();
    assert!(none.message().contains("plan.op_type"), "{none:?}");
}
