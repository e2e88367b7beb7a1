//! Builders of requests.

use crate::fake::Client;
use connect::pb;
use connect::pb::execute_plan_request::{RequestOption, request_option};
use connect::pb::execute_plan_response::ResponseType;
use connect::pb::relation::RelType;
use tonic::{Status, Streaming};

pub(crate) type Answer = pb::ExecutePlanResponse;

pub(crate) fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[expect(clippy::unnecessary_wraps, reason = "fields of messages are all optional")]
pub(crate) fn user() -> Option<pb::UserContext> {
    Some(pb::UserContext { user_id: "ada".into(), ..Default::default() })
}

pub(crate) fn rel(rel_type: RelType) -> pb::Relation {
    pb::Relation { common: None, rel_type: Some(rel_type) }
}

pub(crate) fn table(name: &str) -> pb::Relation {
    let named =
        pb::read::NamedTable { unparsed_identifier: name.into(), options: Default::default() };
    rel(RelType::Read(pb::Read {
        is_streaming: false,
        read_type: Some(pb::read::ReadType::NamedTable(named)),
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "fields of messages are all optional")]
pub(crate) fn root(relation: pb::Relation) -> Option<pb::Plan> {
    Some(pb::Plan { op_type: Some(pb::plan::OpType::Root(relation)) })
}

pub(crate) fn sql(text: &str) -> pb::Relation {
    rel(RelType::Sql(pb::Sql { query: text.into(), ..Default::default() }))
}

#[expect(clippy::unnecessary_wraps, reason = "fields of messages are all optional")]
pub(crate) fn sql_command(text: &str) -> Option<pb::Plan> {
    let command = pb::SqlCommand { input: Some(sql(text)), ..Default::default() };
    let command_type = Some(pb::command::CommandType::SqlCommand(command));
    Some(pb::Plan { op_type: Some(pb::plan::OpType::Command(pb::Command { command_type })) })
}

/// A reattachable execution, as PySpark asks for it.
pub(crate) fn execute(
    session: &str,
    operation: &str,
    plan: Option<pb::Plan>,
) -> pb::ExecutePlanRequest {
    let reattach =
        request_option::RequestOption::ReattachOptions(pb::ReattachOptions { reattachable: true });
    pb::ExecutePlanRequest {
        session_id: session.into(),
        user_context: user(),
        operation_id: Some(operation.into()),
        plan,
        request_options: vec![RequestOption { request_option: Some(reattach) }],
        ..Default::default()
    }
}

pub(crate) fn reattach(
    session: &str,
    operation: &str,
    last: Option<&str>,
) -> pb::ReattachExecuteRequest {
    pb::ReattachExecuteRequest {
        session_id: session.into(),
        user_context: user(),
        operation_id: operation.into(),
        last_response_id: last.map(Into::into),
        ..Default::default()
    }
}

pub(crate) fn release_all(session: &str, operation: &str) -> pb::ReleaseExecuteRequest {
    use pb::release_execute_request::{Release, ReleaseAll};
    pb::ReleaseExecuteRequest {
        session_id: session.into(),
        user_context: user(),
        operation_id: operation.into(),
        release: Some(Release::ReleaseAll(ReleaseAll {})),
        ..Default::default()
    }
}

pub(crate) fn release_until(
    session: &str,
    operation: &str,
    response: &str,
) -> pb::ReleaseExecuteRequest {
    use pb::release_execute_request::{Release, ReleaseUntil};
    let until = ReleaseUntil { response_id: response.into() };
    pb::ReleaseExecuteRequest {
        release: Some(Release::ReleaseUntil(until)),
        ..release_all(session, operation)
    }
}

pub(crate) fn interrupt(session: &str) -> pb::InterruptRequest {
    pb::InterruptRequest {
        session_id: session.into(),
        user_context: user(),
        interrupt_type: pb::interrupt_request::InterruptType::All.into(),
        ..Default::default()
    }
}

pub(crate) fn statuses(session: &str, operations: &[&str]) -> pb::GetStatusRequest {
    let question = pb::get_status_request::OperationStatusRequest {
        operation_ids: operations.iter().map(|id| (*id).to_owned()).collect(),
        extensions: Vec::new(),
    };
    pb::GetStatusRequest {
        session_id: session.into(),
        user_context: user(),
        operation_status: Some(question),
        ..Default::default()
    }
}

pub(crate) fn config(
    session: &str,
    operation: pb::config_request::operation::OpType,
) -> pb::ConfigRequest {
    pb::ConfigRequest {
        session_id: session.into(),
        user_context: user(),
        operation: Some(pb::config_request::Operation { op_type: Some(operation) }),
        ..Default::default()
    }
}

pub(crate) async fn set(client: &mut Client, session: &str, key: &str, value: &str) {
    let pairs = vec![pb::KeyValue { key: key.into(), value: Some(value.into()) }];
    let set =
        pb::config_request::operation::OpType::Set(pb::config_request::Set { pairs, silent: None });
    client.config(config(session, set)).await.expect("the key is set");
}

pub(crate) fn analyze(
    session: &str,
    question: pb::analyze_plan_request::Analyze,
) -> pb::AnalyzePlanRequest {
    pb::AnalyzePlanRequest {
        session_id: session.into(),
        user_context: user(),
        analyze: Some(question),
        ..Default::default()
    }
}

pub(crate) fn schema_of(session: &str, relation: pb::Relation) -> pb::AnalyzePlanRequest {
    let plan = root(relation);
    analyze(
        session,
        pb::analyze_plan_request::Analyze::Schema(pb::analyze_plan_request::Schema { plan }),
    )
}

/// All answers until the stream ends, or its failure.
pub(crate) async fn drain(mut stream: Streaming<Answer>) -> Result<Vec<Answer>, Status> {
    let mut answers = Vec::new();
    while let Some(answer) = stream.message().await? {
        answers.push(answer);
    }
    Ok(answers)
}

pub(crate) async fn run(
    client: &mut Client,
    request: pb::ExecutePlanRequest,
) -> Result<Vec<Answer>, Status> {
    drain(client.execute_plan(request).await?.into_inner()).await
}

pub(crate) fn is_complete(answers: &[Answer]) -> bool {
    matches!(answers.last().map(|a| &a.response_type), Some(Some(ResponseType::ResultComplete(_))))
}

/// `google.rpc.ErrorInfo` of a failure.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ErrorInfo {
    #[prost(string, tag = "1")]
    pub(crate) reason: String,
    #[prost(string, tag = "2")]
    pub(crate) domain: String,
    #[prost(map = "string, string", tag = "3")]
    pub(crate) metadata: std::collections::HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

pub(crate) fn error_info(status: &Status) -> ErrorInfo {
    use prost::Message;
    let rpc = RpcStatus::decode(status.details()).expect("a google.rpc.Status");
    assert_eq!(rpc.message, status.message());
    assert_eq!(rpc.details[0].type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    ErrorInfo::decode(rpc.details[0].value.as_slice()).expect("an ErrorInfo")
}

pub(crate) fn error_class(status: &Status) -> String {
    error_info(status).metadata.remove("errorClass").unwrap_or_default()
}
