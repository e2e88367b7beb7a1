//! Failures on the wire: a gRPC status with `google.rpc.ErrorInfo`, from which PySpark picks its
//! exception, and full details for `FetchErrorDetails`.

use crate::pb::fetch_error_details_response::query_context::ContextType;
use crate::pb::fetch_error_details_response::{
    Error as ErrorMessage, QueryContext, SparkThrowable,
};
use errors::Exception;
use plan::{Place, Shown, SparkError};
use prost::Message;
use std::collections::HashMap;
use tonic::{Code, Status};

/// Size limit of the message in a status, in bytes: headers are limited, and contain the message
/// twice.
const MESSAGE_LIMIT: usize = 2048;
/// Size limit of the message parameters in a status, in bytes.
const PARAMETERS_LIMIT: usize = 1024;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

/// The status of a failure. With an id the client can fetch its details.
pub(crate) fn status(error: &SparkError, error_id: Option<&str>) -> Status {
    let message = shorten(&error.to_string(), MESSAGE_LIMIT);
    let classes = error.exception.java_classes();
    let mut metadata = HashMap::from([("classes".to_owned(), json_list(&classes))]);
    if let Some(condition) = error.condition {
        metadata.insert("errorClass".to_owned(), condition.class.to_owned());
        let parameters = json_object(&error.parameters);
        if parameters.len() <= PARAMETERS_LIMIT {
            metadata.insert("messageParameters".to_owned(), parameters);
        }
    }
    if let Some(state) = error.sql_state() {
        metadata.insert("sqlState".to_owned(), state.to_owned());
    }
    if let Some(id) = error_id {
        metadata.insert("errorId".to_owned(), id.to_owned());
    }
    let info = ErrorInfo {
        reason: classes[0].to_owned(),
        domain: "org.apache.spark".to_owned(),
        metadata,
    };
    let detail = prost_types::Any {
        type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
        value: info.encode_to_vec(),
    };
    let code = Code::Internal;
    let details = RpcStatus { code: code as i32, message: message.clone(), details: vec![detail] };
    Status::with_details(code, message, details.encode_to_vec().into())
}

/// The failure and its causes, each pointing to the next.
pub(crate) fn details(error: &SparkError) -> Vec<ErrorMessage> {
    let parameters = error.parameters.iter().cloned().collect();
    let throwable = SparkThrowable {
        error_class: error.condition.map(|condition| condition.class.to_owned()),
        message_parameters: parameters,
        query_contexts: error.place.as_deref().and_then(query_context).into_iter().collect(),
        sql_state: error.sql_state().map(str::to_owned),
        breaking_change_info: None,
    };
    let next = |index: usize| {
        (index < error.causes.len()).then(|| i32::try_from(index + 1).unwrap_or(i32::MAX))
    };
    let mut out = vec![ErrorMessage {
        error_type_hierarchy: class_list(error.exception),
        message: shorten(&error.to_string(), FULL_MESSAGE_LIMIT),
        stack_trace: Vec::new(),
        cause_idx: next(0),
        spark_throwable: Some(throwable),
    }];
    for (index, cause) in error.causes.iter().enumerate().take(MAX_CAUSES) {
        out.push(ErrorMessage {
            error_type_hierarchy: class_list(Exception::Spark),
            message: shorten(cause, FULL_MESSAGE_LIMIT),
            stack_trace: Vec::new(),
            cause_idx: next(index + 1).filter(|_| index + 1 < MAX_CAUSES),
            spark_throwable: None,
        });
    }
    out
}

/// The wrong fragment of a SQL text.
fn query_context(place: &Place) -> Option<QueryContext> {
    let Shown::Fragment { fragment, start } = &place.shows else { return None };
    let length = fragment.chars().count().max(1);
    let index = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let (line, position) = (place.line, place.position);
    Some(QueryContext {
        context_type: ContextType::Sql.into(),
        object_type: String::new(),
        object_name: String::new(),
        start_index: index(*start as usize),
        stop_index: index(*start as usize + length - 1),
        fragment: fragment.clone(),
        call_site: String::new(),
        summary: format!(
            "== SQL (line {line}, position {}) ==\n{fragment}\n{}",
            position + 1,
            "^".repeat(length)
        ),
    })
}

/// Size limit of a message in the details, in bytes; with the limit on causes it keeps a response
/// far below the message limit.
const FULL_MESSAGE_LIMIT: usize = 1 << 20;
const MAX_CAUSES: usize = 16;

fn class_list(exception: Exception) -> Vec<String> {
    exception.java_classes().into_iter().map(str::to_owned).collect()
}

fn json_list(items: &[&str]) -> String {
    serde_json::Value::from(items).to_string()
}

fn json_object(pairs: &[(String, String)]) -> String {
    let object: serde_json::Map<_, _> =
        pairs.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    serde_json::Value::from(object).to_string()
}

/// Leaves out the middle of what is longer than this many bytes, between characters: the beginning
/// tells what failed, and the end of a traceback why.
fn shorten(text: &str, limit: usize) -> String {
    const GAP: &str = "\n...\n";
    if text.len() <= limit {
        return text.to_owned();
    }
    let begin = text.floor_char_boundary(limit / 3);
    let end = text.ceil_char_boundary(text.len() - (limit - limit / 3 - GAP.len()));
    format!("{}{GAP}{}", &text[..begin], &text[end..])
}
