//! The twelve requests of Spark Connect: each is parsed, handed over and answered.

use crate::analyze::analyze;
use crate::artifacts::{CACHE, Upload, added_file};
use crate::backend::Backend;
use crate::command;
use crate::config::config;
use crate::error;
use crate::error::{invalid, missing};
use crate::execute::{self, Answers};
use crate::execution::{Execution, Identity, StopRequest};
use crate::limits::MESSAGE_LIMIT_BYTES;
use crate::pb;
use crate::pb::execute_plan_request::request_option::RequestOption;
use crate::pb::get_status_response::OperationStatus;
use crate::pb::get_status_response::operation_status::OperationState;
use crate::pb::spark_connect_service_server::{SparkConnectService, SparkConnectServiceServer};
use crate::properties::properties;
use crate::session::{Caller, OpenSession, Sessions};
use crate::status::{details, status};
use model::Properties;
use plan::SparkError;
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// Stack size of the serving runtime's threads, in bytes, for the deepest plans allowed.
pub const STACK_BYTES: usize = 64 << 20;

/// The service, for mounting in a server. With a token, requests without `authorization: Bearer
/// <token>` are refused.
pub fn routes(backend: Arc<dyn Backend>, token: Option<String>) -> tonic::service::Routes {
    let service = SparkConnectServiceServer::new(Service { sessions: Sessions::new(backend) })
        .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
        .max_encoding_message_size(MESSAGE_LIMIT_BYTES);
    let digest = token.map(|t| blake3::hash(t.as_bytes()));
    let guarded = tonic::service::interceptor::InterceptedService::new(
        service,
        move |request: Request<()>| admit(request, digest.as_ref()),
    );
    tonic::service::Routes::new(guarded)
}

/// Compares hashes in constant time, so that timing reveals nothing about the token.
fn admit(request: Request<()>, token: Option<&blake3::Hash>) -> Result<Request<()>, Status> {
    let Some(token) = token else { return Ok(request) };
    let header =
        request.metadata().get("authorization").map(tonic::metadata::MetadataValue::as_bytes);
    let given = header.and_then(|value| value.strip_prefix(b"Bearer ")).unwrap_or_default();
    if blake3::hash(given) == *token {
        Ok(request)
    } else {
        Err(Status::unauthenticated("Invalid or missing authentication token."))
    }
}

struct Service {
    sessions: Sessions,
}

/// The caller of a request: all requests have the same three fields.
macro_rules! caller {
    ($request:ident) => {
        Caller::new(
            $request.user_context.take(),
            $request.session_id.clone(),
            $request.client_observed_server_side_session_id.take(),
        )
        .map_err(|e| refuse(&e))?
    };
}

/// The status of a failure that no session remembers.
fn refuse(error: &SparkError) -> Status {
    status(error, None)
}

impl Service {
    async fn get_or_open(&self, caller: &Caller) -> Result<Arc<OpenSession>, Status> {
        self.sessions.get_or_open(caller).await.map_err(|e| refuse(&e))
    }

    fn get(&self, caller: &Caller) -> Result<Arc<OpenSession>, Status> {
        self.sessions.get(caller).map_err(|e| refuse(&e))
    }
}

#[tonic::async_trait]
impl SparkConnectService for Service {
    type ExecutePlanStream = Answers;
    type ReattachExecuteStream = Answers;

    async fn execute_plan(
        &self,
        request: Request<pb::ExecutePlanRequest>,
    ) -> Result<Response<Answers>, Status> {
        let mut request = request.into_inner();
        let properties = properties(request.user_context.as_ref());
        let caller = caller!(request);
        let open = self.get_or_open(&caller).await?;
        let answers = properties.and_then(|given| execute_plan(&open, request, given));
        let answers = answers.map_err(|e| open.fail(e))?;
        Ok(Response::new(answers))
    }

    async fn analyze_plan(
        &self,
        request: Request<pb::AnalyzePlanRequest>,
    ) -> Result<Response<pb::AnalyzePlanResponse>, Status> {
        let mut request = request.into_inner();
        let caller = caller!(request);
        let open = self.get_or_open(&caller).await?;
        let answer = Box::pin(analyze(request.analyze, &open));
        let result = answer.await.map_err(|e| open.fail(e))?;
        Ok(Response::new(pb::AnalyzePlanResponse {
            session_id: open.key.session_id.clone(),
            server_side_session_id: open.server_id.clone(),
            result: Some(result),
        }))
    }

    async fn config(
        &self,
        request: Request<pb::ConfigRequest>,
    ) -> Result<Response<pb::ConfigResponse>, Status> {
        let mut request = request.into_inner();
        let caller = caller!(request);
        let open = self.get_or_open(&caller).await?;
        let (pairs, warnings) =
            config(request.operation, &*open.session).map_err(|e| open.fail(e))?;
        Ok(Response::new(pb::ConfigResponse {
            session_id: open.key.session_id.clone(),
            server_side_session_id: open.server_id.clone(),
            pairs,
            warnings,
        }))
    }

    async fn add_artifacts(
        &self,
        request: Request<Streaming<pb::AddArtifactsRequest>>,
    ) -> Result<Response<pb::AddArtifactsResponse>, Status> {
        let mut requests = request.into_inner();
        let mut session: Option<Arc<OpenSession>> = None;
        let mut upload = Upload::default();
        while let Some(mut request) = requests.message().await? {
            let caller = caller!(request);
            let open = match &session {
                Some(open) if open.key == caller.key => Arc::clone(open),
                Some(open) => {
                    return Err(open.fail(invalid("The session changed during the upload.")));
                }
                None => self.get_or_open(&caller).await?,
            };
            upload.add(request.payload, &open.artifacts).map_err(|e| open.fail(e))?;
            session = Some(open);
        }
        let open = session.ok_or_else(|| refuse(&missing("add_artifacts.session_id")))?;
        let artifacts = upload.finish().map_err(|e| open.fail(e))?;
        for artifact in artifacts.iter().filter(|artifact| artifact.is_crc_successful) {
            let Some(bytes) = open.artifacts.get(&artifact.name) else { continue };
            if let Some(hash) = artifact.name.strip_prefix(CACHE) {
                open.session.keep_blob(hash, bytes);
            } else if let Some(file) = added_file(&artifact.name, &bytes) {
                open.session.keep_blob(&file.hash, bytes);
                open.session.add_file(file);
            }
        }
        Ok(Response::new(pb::AddArtifactsResponse {
            session_id: open.key.session_id.clone(),
            server_side_session_id: open.server_id.clone(),
            artifacts,
        }))
    }

    async fn artifact_status(
        &self,
        request: Request<pb::ArtifactStatusesRequest>,
    ) -> Result<Response<pb::ArtifactStatusesResponse>, Status> {
        let mut request = request.into_inner();
        let caller = caller!(request);
        let open = self.get_or_open(&caller).await?;
        let statuses = request.names.into_iter().map(|name| {
            let exists = open.artifacts.contains(&name);
            (name, pb::artifact_statuses_response::ArtifactStatus { exists })
        });
        Ok(Response::new(pb::ArtifactStatusesResponse {
            statuses: statuses.collect(),
            session_id: open.key.session_id.clone(),
            server_side_session_id: open.server_id.clone(),
        }))
    }

    async fn interrupt(
        &self,
        request: Request<pb::InterruptRequest>,
    ) -> Result<Response<pb::InterruptResponse>, Status> {
        let mut request = request.into_inner();
        let caller = caller!(request);
        let open = self.get_or_open(&caller).await?;
        let interrupted_ids = interrupt(&open, &request).map_err(|e| open.fail(e))?;
        Ok(Response::new(pb::InterruptResponse {
            session_id: open.key.session_id.clone(),
            server_side_session_id: open.server_id.clone(),
            interrupted_ids,
        }))
    }

    async fn reattach_execute(
        &self,
        request: Request<pb::ReattachExecuteRequest>,
    ) -> Result<Response<Answers>, Status> {
        let mut request = request.into_inner();
        let caller = caller!(request);
        let open = self.get(&caller)?;
        let answers = reattach(&open, &request).map_err(|e| open.fail(e))?;
        Ok(Response::new(answers))
    }

    async fn release_execute(
        &self,
        request: Request<pb::ReleaseExecuteRequest>,
    ) -> Result<Response<pb::ReleaseExecuteResponse>, Status> {
        let mut request = request.into_inner();
        let caller = caller!(request);
        let open = self.get(&caller)?;
        let operation_id = release(&open, &request).map_err(|e| open.fail(e))?;
        Ok(Response::new(pb::ReleaseExecuteResponse {
            session_id: open.key.session_id.clone(),
            server_side_session_id: open.server_id.clone(),
            operation_id,
        }))
    }

    async fn release_session(
        &self,
        request: Request<pb::ReleaseSessionRequest>,
    ) -> Result<Response<pb::ReleaseSessionResponse>, Status> {
        let request = request.into_inner();
        let (user, id) = (request.user_context, request.session_id);
        let caller = Caller::new(user, id, None).map_err(|e| refuse(&e))?;
        let server_id = self.sessions.release(&caller.key, request.allow_reconnect).await;
        Ok(Response::new(pb::ReleaseSessionResponse {
            session_id: caller.key.session_id,
            server_side_session_id: server_id.unwrap_or_default(),
        }))
    }

    async fn fetch_error_details(
        &self,
        request: Request<pb::FetchErrorDetailsRequest>,
    ) -> Result<Response<pb::FetchErrorDetailsResponse>, Status> {
        let mut request = request.into_inner();
        let caller = caller!(request);
        let open = self.get(&caller)?;
        let errors = open.error(&request.error_id).map(|error| details(&error));
        Ok(Response::new(pb::FetchErrorDetailsResponse {
            server_side_session_id: open.server_id.clone(),
            session_id: open.key.session_id.clone(),
            root_error_idx: errors.is_some().then_some(0),
            errors: errors.unwrap_or_default(),
        }))
    }

    async fn clone_session(
        &self,
        request: Request<pb::CloneSessionRequest>,
    ) -> Result<Response<pb::CloneSessionResponse>, Status> {
        let mut request = request.into_inner();
        let caller = caller!(request);
        let open = self.get(&caller)?;
        let wanted = request.new_session_id.filter(|id| !id.is_empty());
        let id = wanted.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        if uuid::Uuid::parse_str(&id).is_err() {
            return Err(open.fail(error::bad_handle(&id)));
        }
        let copy = self.sessions.fork(&open, id).await.map_err(|e| open.fail(e))?;
        Ok(Response::new(pb::CloneSessionResponse {
            session_id: open.key.session_id.clone(),
            server_side_session_id: open.server_id.clone(),
            new_session_id: copy.key.session_id.clone(),
            new_server_side_session_id: copy.server_id.clone(),
        }))
    }

    async fn get_status(
        &self,
        request: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, Status> {
        let mut request = request.into_inner();
        let caller = caller!(request);
        let open = self.get(&caller)?;
        let operation_statuses = match request.operation_status {
            Some(question) => operation_statuses(&open, question.operation_ids),
            None => Vec::new(),
        };
        Ok(Response::new(pb::GetStatusResponse {
            session_id: open.key.session_id.clone(),
            server_side_session_id: open.server_id.clone(),
            operation_statuses,
            extensions: Vec::new(),
        }))
    }
}

/// Starts an operation, or attaches to it if the same request came before.
fn execute_plan(
    open: &Arc<OpenSession>,
    request: pb::ExecutePlanRequest,
    properties: Properties,
) -> Result<Answers, SparkError> {
    let id = match request.operation_id.filter(|id| !id.is_empty()) {
        Some(id) if uuid::Uuid::parse_str(&id).is_err() => return Err(error::bad_handle(&id)),
        Some(id) => id,
        None => uuid::Uuid::new_v4().to_string(),
    };
    let (mut reattachable, mut chunk_bytes) = (false, None);
    for option in request.request_options {
        match option.request_option {
            Some(RequestOption::ReattachOptions(o)) => reattachable = o.reattachable,
            Some(RequestOption::ResultChunkingOptions(o)) => {
                chunk_bytes = execute::chunk_bytes(&o);
            }
            Some(RequestOption::Extension(_)) | None => {}
        }
    }
    if let Some(there) = open.execution(&id) {
        return attach_again(open, &there, request.plan.as_ref());
    }
    if open.ended_as(&id).is_some() {
        return Err(error::operation_exists(&id));
    }
    let work = command::request(command::unpack(request.plan.clone())?, open.context())?;
    let identity =
        Identity { id, tags: request.tags, properties, reattachable, plan: request.plan };
    let execution = Arc::new(Execution::new(identity));
    if let Some(there) = open.add(Arc::clone(&execution))? {
        return attach_again(open, &there, execution.identity.plan.as_ref());
    }
    let place = execution.attach(None)?;
    execute::start(Arc::clone(open), Arc::clone(&execution), work, chunk_bytes);
    Ok(execute::answers(open, execution, place))
}

/// Attaches to an operation whose request is repeated because its answers were lost: it must not
/// run twice.
fn attach_again(
    open: &OpenSession,
    there: &Arc<Execution>,
    plan: Option<&pb::Plan>,
) -> Result<Answers, SparkError> {
    if there.identity.plan.as_ref() != plan || !there.identity.reattachable {
        return Err(error::operation_exists(&there.identity.id));
    }
    let place = there.attach(None)?;
    Ok(execute::answers(open, Arc::clone(there), place))
}

fn reattach(
    open: &OpenSession,
    request: &pb::ReattachExecuteRequest,
) -> Result<Answers, SparkError> {
    let id = &request.operation_id;
    let Some(execution) = open.execution(id) else {
        return Err(match open.ended_as(id) {
            Some(_) => error::operation_abandoned(id),
            None => error::operation_not_found(id),
        });
    };
    if !execution.identity.reattachable {
        return Err(error::not_reattachable());
    }
    let last = request.last_response_id.as_deref().filter(|id| !id.is_empty());
    let place = execution.attach(last)?;
    Ok(execute::answers(open, execution, place))
}

/// Releasing an unknown operation is not an error: the client may ask twice.
fn release(
    open: &OpenSession,
    request: &pb::ReleaseExecuteRequest,
) -> Result<Option<String>, SparkError> {
    use pb::release_execute_request::Release;
    let Some(execution) = open.execution(&request.operation_id) else { return Ok(None) };
    if !execution.identity.reattachable {
        return Err(error::not_reattachable());
    }
    match &request.release {
        Some(Release::ReleaseAll(_)) => execution.request_stop(StopRequest::Release),
        Some(Release::ReleaseUntil(until)) => execution.release_until(&until.response_id),
        None => return Err(missing("release_execute.release")),
    }
    Ok(Some(request.operation_id.clone()))
}

/// Interrupts running operations, and returns their ids.
fn interrupt(
    open: &OpenSession,
    request: &pb::InterruptRequest,
) -> Result<Vec<String>, SparkError> {
    use pb::interrupt_request::{Interrupt, InterruptType};
    let selected: Box<dyn Fn(&Identity) -> bool> =
        match (request.interrupt_type(), &request.interrupt) {
            (InterruptType::All, _) => Box::new(|_| true),
            (InterruptType::Tag, Some(Interrupt::OperationTag(tag))) => {
                Box::new(move |identity| identity.tags.contains(tag))
            }
            (InterruptType::OperationId, Some(Interrupt::OperationId(id))) => {
                Box::new(move |identity| identity.id == *id)
            }
            (InterruptType::Tag, _) => return Err(missing("interrupt.operation_tag")),
            (InterruptType::OperationId, _) => return Err(missing("interrupt.operation_id")),
            (InterruptType::Unspecified, _) => return Err(missing("interrupt.interrupt_type")),
        };
    let mut interrupted = Vec::new();
    for execution in open.executions() {
        if selected(&execution.identity) && execution.is_running() {
            execution.request_stop(StopRequest::Interrupt);
            interrupted.push(execution.identity.id.clone());
        }
    }
    Ok(interrupted)
}

/// The states of the given operations, or of all.
fn operation_statuses(open: &OpenSession, ids: Vec<String>) -> Vec<OperationStatus> {
    let status_of = |id: String, state: OperationState| OperationStatus {
        operation_id: id,
        state: state.into(),
        extensions: Vec::new(),
    };
    if ids.is_empty() {
        let ended = open.ended().into_iter();
        let there = open.executions().into_iter();
        let there = there.map(|e| (e.identity.id.clone(), e.status()));
        return ended.chain(there).map(|(id, state)| status_of(id, state)).collect();
    }
    let find = |id: &str| open.execution(id).map(|e| e.status()).or_else(|| open.ended_as(id));
    ids.into_iter()
        .map(|id| {
            let state = find(&id).unwrap_or(OperationState::Unknown);
            status_of(id, state)
        })
        .collect()
}
