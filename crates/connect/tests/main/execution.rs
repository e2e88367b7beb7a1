//! Executions: answers, reattaching, releasing, interrupting, failing.

use crate::fake::{THREE_ROWS, connected, until};
use crate::requests::{
    Answer, drain, error_class, error_info, execute, interrupt, is_complete, reattach, release_all,
    release_until, root, run, set, sql, sql_command, statuses, table, user, uuid,
};
use connect::pb;
use connect::pb::command::CommandType;
use connect::pb::execute_plan_response::ResponseType;
use connect::pb::get_status_response::operation_status::OperationState;
use std::sync::atomic::Ordering::SeqCst;

#[tokio::test]
async fn a_client_may_reattach_after_any_answer() {
    let (seen, mut client) = connected().await;
    let (session, operation) = (uuid(), uuid());
    let request = execute(&session, &operation, root(table("batches_4")));
    let all = run(&mut client, request).await.unwrap();
    // schema, four batches, progress, observed metrics, the end
    assert_eq!(all.len(), 8);
    assert!(is_complete(&all));
    for (index, answer) in all.iter().enumerate() {
        let request = reattach(&session, &operation, Some(&answer.response_id));
        let rest = drain(client.reattach_execute(request).await.unwrap().into_inner()).await;
        assert_eq!(rest.unwrap(), all[index + 1..], "after answer {index}");
    }
    let again = client.reattach_execute(reattach(&session, &operation, None)).await.unwrap();
    assert_eq!(drain(again.into_inner()).await.unwrap(), all);
    assert_eq!(seen.started.load(SeqCst), 1);
}

#[tokio::test]
async fn the_driver_has_no_resources_but_cores_and_memory() {
    let (seen, mut client) = connected().await;
    let resources = CommandType::GetResourcesCommand(pb::GetResourcesCommand {});
    let command = pb::Command { command_type: Some(resources) };
    let plan = Some(pb::Plan { op_type: Some(pb::plan::OpType::Command(command)) });
    let answers = run(&mut client, execute(&uuid(), &uuid(), plan)).await.unwrap();
    let none = pb::GetResourcesCommandResult::default();
    let expected = ResponseType::GetResourcesCommandResult(none);
    assert_eq!(answers[0].response_type, Some(expected));
    assert!(answers.len() == 2 && is_complete(&answers));
    assert_eq!(seen.started.load(SeqCst), 0);
}

#[tokio::test]
async fn answers_contain_the_backends_responses() {
    let (_, mut client) = connected().await;
    let (session, operation) = (uuid(), uuid());
    let request = execute(&session, &operation, root(table("batches_2")));
    let answers = run(&mut client, request).await.unwrap();
    let schema = answers[0].schema.as_ref().unwrap();
    assert!(matches!(schema.kind, Some(pb::data_type::Kind::Struct(_))));
    let Some(ResponseType::ArrowBatch(batch)) = &answers[2].response_type else {
        panic!("{:?}", answers[2])
    };
    assert_eq!((batch.row_count, batch.start_offset), (3, Some(3)));
    assert_eq!(batch.data, THREE_ROWS);
    assert_eq!((batch.chunk_index, batch.num_chunks_in_batch), (None, None));
    let Some(ResponseType::ExecutionProgress(progress)) = &answers[3].response_type else {
        panic!("{:?}", answers[3])
    };
    assert_eq!(progress.stages[0].num_completed_tasks, 8);
    assert_eq!(answers[4].observed_metrics[0].keys, ["n"]);
    let server = &answers[0].server_side_session_id;
    for answer in &answers {
        assert_eq!((&answer.session_id, &answer.operation_id), (&session, &operation));
        assert_eq!(&answer.server_side_session_id, server);
    }
    let ids: std::collections::BTreeSet<_> = answers.iter().map(|a| &a.response_id).collect();
    assert_eq!(ids.len(), answers.len());
}

#[tokio::test]
async fn properties_of_the_program_s_thread_come_with_its_operation() {
    let (seen, mut client) = connected().await;
    let extension = |name: &str, value: &[u8]| prost_types::Any {
        type_url: format!("type.googleapis.com/{name}"),
        value: value.to_vec(),
    };
    // JobProperties { properties: [{ key: "k", value: "v" }] }
    let ours = extension("firesteel.connect.v1.JobProperties", b"\x0a\x06\x0a\x01k\x12\x01v");
    let another = extension("example.Another", b"\xff");
    let mut request = execute(&uuid(), &uuid(), root(table("batches_1")));
    let user = request.user_context.get_or_insert_default();
    user.extensions = vec![another, ours.clone()];
    run(&mut client, request).await.unwrap();
    let properties = seen.properties.lock().unwrap().clone();
    assert_eq!(properties[0].iter().collect::<Vec<_>>(), [("k", "v")]);

    let mut request = execute(&uuid(), &uuid(), root(table("batches_1")));
    let damaged = prost_types::Any { value: b"\x0a\xff".to_vec(), ..ours };
    request.user_context.get_or_insert_default().extensions = vec![damaged];
    assert!(run(&mut client, request).await.is_err());
}

#[tokio::test]
async fn streams_that_end_early_add_up_to_the_whole() {
    let (seen, mut client) = connected().await;
    let (session, operation) = (uuid(), uuid());
    let size = "spark.connect.execute.reattachable.senderMaxStreamSize";
    set(&mut client, &session, size, "123").await;
    let request = execute(&session, &operation, root(table("batches_10")));
    let mut all: Vec<Answer> = run(&mut client, request).await.unwrap();
    let mut streams = 1;
    while !is_complete(&all) {
        let last = all.last().map(|a| a.response_id.clone());
        let request = reattach(&session, &operation, last.as_deref());
        let more = drain(client.reattach_execute(request).await.unwrap().into_inner()).await;
        all.extend(more.unwrap());
        streams += 1;
    }
    assert!(streams > 5, "{streams}");
    assert_eq!(all.len(), 14);
    assert_eq!(seen.started.load(SeqCst), 1);
}

#[tokio::test]
async fn a_stream_ends_when_its_time_is_over() {
    let (_, mut client) = connected().await;
    let (session, operation) = (uuid(), uuid());
    let duration = "spark.connect.execute.reattachable.senderMaxStreamDuration";
    set(&mut client, &session, duration, "50ms").await;
    let request = execute(&session, &operation, root(table("never")));
    assert_eq!(run(&mut client, request).await.unwrap(), []);
    let request = reattach(&session, &operation, None);
    let more = drain(client.reattach_execute(request).await.unwrap().into_inner()).await;
    assert_eq!(more.unwrap(), []);
}

#[tokio::test]
async fn released_answers_are_gone() {
    let (_, mut client) = connected().await;
    let (session, operation) = (uuid(), uuid());
    let request = execute(&session, &operation, root(table("batches_4")));
    let all = run(&mut client, request).await.unwrap();
    let third = &all[2].response_id;
    client.release_execute(release_until(&session, &operation, third)).await.unwrap();
    let early = reattach(&session, &operation, Some(&all[0].response_id));
    let status = client.reattach_execute(early).await.unwrap_err();
    assert_eq!(error_class(&status), "INVALID_CURSOR.POSITION_NOT_AVAILABLE");
    let late = reattach(&session, &operation, Some(third));
    let rest = drain(client.reattach_execute(late).await.unwrap().into_inner()).await.unwrap();
    assert_eq!(rest, all[3..]);
    let unknown = reattach(&session, &operation, Some("no-such-answer"));
    let status = client.reattach_execute(unknown).await.unwrap_err();
    assert_eq!(error_class(&status), "INVALID_CURSOR.POSITION_NOT_FOUND");

    let released = client.release_execute(release_all(&session, &operation)).await.unwrap();
    assert_eq!(released.into_inner().operation_id.as_deref(), Some(operation.as_str()));
    let state = wait_for_end(&mut client, &session, &operation).await;
    assert_eq!(state, OperationState::Succeeded);
    // Releasing twice, or what never existed, is no error.
    client.release_execute(release_all(&session, &operation)).await.unwrap();
    client.release_execute(release_all(&session, &uuid())).await.unwrap();
}

/// Waits until an operation is released, and returns its state.
async fn wait_for_end(
    client: &mut crate::fake::Client,
    session: &str,
    operation: &str,
) -> OperationState {
    for _ in 0..1000 {
        let gone = client.reattach_execute(reattach(session, operation, None)).await;
        if gone.is_err_and(|status| error_class(&status) == "INVALID_HANDLE.OPERATION_ABANDONED") {
            let status = client.get_status(statuses(session, &[operation])).await;
            let status = status.expect("an answer");
            return status.into_inner().operation_statuses[0].state();
        }
        tokio::task::yield_now().await;
    }
    panic!("{operation} was not removed")
}

#[tokio::test]
async fn an_unknown_operation_is_reported_by_its_class() {
    let (_, mut client) = connected().await;
    let (session, operation) = (uuid(), uuid());
    let status = client.reattach_execute(reattach(&session, &operation, None)).await.unwrap_err();
    assert_eq!(error_class(&status), "INVALID_HANDLE.SESSION_NOT_FOUND");
    run(&mut client, execute(&session, &uuid(), root(table("batches_1")))).await.unwrap();
    let status = client.reattach_execute(reattach(&session, &operation, None)).await.unwrap_err();
    assert!(status.message().contains("INVALID_HANDLE.OPERATION_NOT_FOUND"), "{status:?}");
    let reply = client.get_status(statuses(&session, &[&operation])).await.unwrap().into_inner();
    assert_eq!(reply.operation_statuses[0].state(), OperationState::Unknown);
}

#[tokio::test]
async fn the_same_request_twice_runs_once() {
    let (seen, mut client) = connected().await;
    let (session, operation) = (uuid(), uuid());
    let request = execute(&session, &operation, root(table("batches_2")));
    let first = run(&mut client, request.clone()).await.unwrap();
    assert_eq!(run(&mut client, request).await.unwrap(), first);
    assert_eq!(seen.started.load(SeqCst), 1);
    let other = execute(&session, &operation, root(table("batches_3")));
    let status = run(&mut client, other).await.unwrap_err();
    assert_eq!(error_class(&status), "INVALID_HANDLE.OPERATION_ALREADY_EXISTS");
    let bad = execute(&session, "not a uuid", root(table("batches_3")));
    assert_eq!(error_class(&run(&mut client, bad).await.unwrap_err()), "INVALID_HANDLE.FORMAT");
}

#[tokio::test]
async fn a_second_stream_displaces_the_first() {
    let (_, mut client) = connected().await;
    let (session, operation) = (uuid(), uuid());
    let request = execute(&session, &operation, root(table("never")));
    let first = client.execute_plan(request).await.unwrap().into_inner();
    let _second = client.reattach_execute(reattach(&session, &operation, None)).await.unwrap();
    let status = drain(first).await.unwrap_err();
    assert!(status.message().contains("INVALID_CURSOR.DISCONNECTED"), "{status:?}");
}

#[tokio::test]
async fn interrupts_stop_the_operations_they_name() {
    use pb::interrupt_request::{Interrupt, InterruptType};
    let (seen, mut client) = connected().await;
    let (session, operation) = (uuid(), uuid());
    let selections = [
        (InterruptType::All, None),
        (InterruptType::Tag, Some(Interrupt::OperationTag("mine".into()))),
        (InterruptType::OperationId, Some(Interrupt::OperationId(operation.clone()))),
    ];
    for (number, (kind, what)) in selections.into_iter().enumerate() {
        let id = if number == 2 { operation.clone() } else { uuid() };
        let mut request = execute(&session, &id, root(table("never")));
        request.tags = vec!["mine".into()];
        let stream = client.execute_plan(request).await.unwrap().into_inner();
        until("it runs", || seen.started.load(SeqCst) == number + 1).await;
        let other = pb::InterruptRequest {
            interrupt_type: InterruptType::Tag.into(),
            interrupt: Some(Interrupt::OperationTag("other".into())),
            ..interrupt(&session)
        };
        let nothing = client.interrupt(other).await.unwrap().into_inner();
        assert_eq!(nothing.interrupted_ids, Vec::<String>::new());
        let asked = pb::InterruptRequest {
            interrupt_type: kind.into(),
            interrupt: what,
            ..interrupt(&session)
        };
        let stopped = client.interrupt(asked).await.unwrap().into_inner();
        assert_eq!(stopped.interrupted_ids, std::slice::from_ref(&id));
        let status = drain(stream).await.unwrap_err();
        assert!(status.message().contains("OPERATION_CANCELED"), "{status:?}");
        assert_eq!(seen.dropped.load(SeqCst), number + 1);
        let reply = client.get_status(statuses(&session, &[&id])).await.unwrap().into_inner();
        assert_eq!(reply.operation_statuses[0].state(), OperationState::Cancelled);
    }
}

#[tokio::test]
async fn releasing_a_running_operation_stops_it() {
    let (seen, mut client) = connected().await;
    let (session, operation) = (uuid(), uuid());
    let request = execute(&session, &operation, root(table("never")));
    let _stream = client.execute_plan(request).await.unwrap();
    until("it runs", || seen.started.load(SeqCst) == 1).await;
    client.release_execute(release_all(&session, &operation)).await.unwrap();
    until("it is dropped", || seen.dropped.load(SeqCst) == 1).await;
    let state = wait_for_end(&mut client, &session, &operation).await;
    assert_eq!(state, OperationState::Cancelled);
}

#[tokio::test]
async fn an_operation_that_cannot_be_reattached_ends_with_its_stream() {
    let (seen, mut client) = connected().await;
    let session = uuid();
    let mut request = execute(&session, &uuid(), root(table("never")));
    request.request_options.clear();
    let stream = client.execute_plan(request).await.unwrap();
    until("it runs", || seen.started.load(SeqCst) == 1).await;
    drop(stream);
    until("it is dropped", || seen.dropped.load(SeqCst) == 1).await;
    let mut request = execute(&session, &uuid(), root(table("batches_3")));
    request.request_options.clear();
    assert!(is_complete(&run(&mut client, request).await.unwrap()));
}

#[tokio::test]
async fn a_slow_client_slows_the_backend_down() {
    let (seen, mut client) = connected().await;
    let (session, operation) = (uuid(), uuid());
    let request = execute(&session, &operation, root(table("large")));
    let stream = client.execute_plan(request).await.unwrap().into_inner();
    until("the buffer is full", || seen.produced.load(SeqCst) >= 4).await;
    for _ in 0..50 {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let produced = seen.produced.load(SeqCst);
    assert!(produced < 16, "{produced} batches of 4 MiB for a client that reads nothing");
    let answers = drain(stream).await.unwrap();
    assert_eq!(answers.len(), 101);
}

#[tokio::test]
async fn failures_carry_the_details_of_pysparks_exception() {
    let (_, mut client) = connected().await;
    let (session, operation) = (uuid(), uuid());
    let request = execute(&session, &operation, root(table("fails")));
    let status = run(&mut client, request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Internal);
    assert!(status.message().starts_with("[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column"));
    let info = error_info(&status);
    assert_eq!(info.reason, "org.apache.spark.sql.AnalysisException");
    assert_eq!(info.domain, "org.apache.spark");
    let classes: Vec<String> = serde_json::from_str(&info.metadata["classes"]).unwrap();
    assert_eq!(classes[0], "org.apache.spark.sql.AnalysisException");
    assert_eq!(info.metadata["sqlState"], "42703");
    let parameters = r#"{"objectName":"`b`","proposal":"`a`"}"#;
    assert_eq!(info.metadata["messageParameters"], parameters);

    let question = pb::FetchErrorDetailsRequest {
        session_id: session.clone(),
        user_context: user(),
        error_id: info.metadata["errorId"].clone(),
        ..Default::default()
    };
    let details = client.fetch_error_details(question.clone()).await.unwrap().into_inner();
    assert_eq!(details.root_error_idx, Some(0));
    let throwable = details.errors[0].spark_throwable.as_ref().unwrap();
    assert_eq!(throwable.message_parameters["objectName"], "`b`");
    let causes: Vec<_> = details.errors.iter().map(|e| (e.message.as_str(), e.cause_idx)).collect();
    assert_eq!(causes[0].1, Some(1));
    assert_eq!(causes[1..], [("first cause", Some(2)), ("second cause", None)]);
    let unknown = pb::FetchErrorDetailsRequest { error_id: uuid(), ..question };
    let details = client.fetch_error_details(unknown).await.unwrap().into_inner();
    assert_eq!((details.root_error_idx, details.errors.len()), (None, 0));
    // A client that reattaches gets it again.
    let again = client.reattach_execute(reattach(&session, &operation, None)).await.unwrap();
    assert_eq!(
        error_class(&drain(again.into_inner()).await.unwrap_err()),
        info.metadata["errorClass"]
    );
}

#[tokio::test]
async fn a_backend_that_panics_fails_one_operation() {
    let (_, mut client) = connected().await;
    let session = uuid();
    let request = execute(&session, &uuid(), root(table("panics")));
    let status = run(&mut client, request).await.unwrap_err();
    assert_eq!(error_class(&status), "INTERNAL_ERROR");
    run(&mut client, execute(&session, &uuid(), root(table("batches_1")))).await.unwrap();
}

#[tokio::test]
async fn large_batches_come_in_chunks_where_the_client_takes_them() {
    use pb::execute_plan_request::{RequestOption, request_option};
    let (_, mut client) = connected().await;
    let mut request = execute(&uuid(), &uuid(), root(table("one_large")));
    let chunking = pb::ResultChunkingOptions {
        allow_arrow_batch_chunking: true,
        preferred_arrow_chunk_size: Some(1024),
    };
    let option = request_option::RequestOption::ResultChunkingOptions(chunking);
    request.request_options.push(RequestOption { request_option: Some(option) });
    let answers = run(&mut client, request).await.unwrap();
    let mut data = Vec::new();
    for (index, answer) in (0_i64..).zip(&answers[..answers.len() - 1]) {
        let Some(ResponseType::ArrowBatch(chunk)) = &answer.response_type else {
            panic!("{answer:?}")
        };
        assert_eq!((chunk.chunk_index, chunk.num_chunks_in_batch), (Some(index), Some(10)));
        assert_eq!((chunk.row_count, chunk.start_offset), (3, Some(0)));
        data.extend_from_slice(&chunk.data);
    }
    assert_eq!(data, (0..=255).cycle().take(10_000).collect::<Vec<u8>>());
}

#[tokio::test]
async fn sql_text_comes_back_as_a_relation() {
    let (_, mut client) = connected().await;
    let session = uuid();
    let mut result = async |text: &str| {
        let request = execute(&session, &uuid(), sql_command(text));
        let answers = run(&mut client, request).await.unwrap();
        let Some(ResponseType::SqlCommandResult(result)) = answers[0].response_type.clone() else {
            panic!("{answers:?}")
        };
        assert!(is_complete(&answers) && answers.len() == 2);
        result.relation.unwrap()
    };
    assert_eq!(result("SELECT 1").await, sql("SELECT 1"));
    let Some(pb::relation::RelType::LocalRelation(rows)) = result("SHOW TABLES").await.rel_type
    else {
        panic!("rows are expected")
    };
    // Two batches in one stream: a header, two bodies, an end.
    assert!(rows.data.unwrap().len() > THREE_ROWS.len());
    assert!(rows.schema.unwrap().contains("\"name\":\"id\""));
    let Some(pb::relation::RelType::LocalRelation(none)) = result("DROP TABLE t").await.rel_type
    else {
        panic!("rows are expected")
    };
    assert_eq!(none.data, None);
    assert_eq!(none.schema.unwrap(), r#"{"type":"struct","fields":[]}"#);
}
