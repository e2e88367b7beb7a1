//! The time of jobs of one task at the driver's API, as a client of Spark Connect that adds nothing
//! of its own sees it.

use anyhow::{Context, Result, bail};
use connect::pb;
use connect::pb::execute_plan_request::request_option::RequestOption as Choice;
use connect::pb::execute_plan_response::ResponseType;
use connect::pb::release_execute_request::{Release, ReleaseAll};
use connect::pb::spark_connect_service_client::SparkConnectServiceClient;
use std::io::Write;
use std::time::{Duration, Instant};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

/// A session.
struct Client {
    stub: SparkConnectServiceClient<Channel>,
    authorization: Option<MetadataValue<Ascii>>,
    session: String,
}

/// Runs the same job many times, one after the other, and prints best and median in milliseconds.
pub(crate) async fn measure(url: &str, count: usize) -> Result<()> {
    let mut client = Client::connect(url).await?;
    let mut times = Vec::new();
    for number in 0..count {
        // Each reads another number, so that nothing is remembered of the one before.
        times.push(client.job(i64::try_from(number)?).await?);
    }
    times.sort_unstable();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let (Some(best), Some(median)) = (times.first(), times.get(times.len() / 2)) else {
        bail!("no job was asked for");
    };
    Ok(writeln!(std::io::stdout(), "{:.3} {:.3}", millis(*best), millis(*median))?)
}

impl Client {
    /// Connects to `sc://host:port`, perhaps followed by `/;token=…`.
    async fn connect(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("sc://").context("a URL of Spark Connect")?;
        let (address, parameters) = rest.split_once('/').unwrap_or((rest, ""));
        let token = parameters.split(';').find_map(|part| part.strip_prefix("token="));
        let authorization = token.map(|token| format!("Bearer {token}").parse()).transpose()?;
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
        let stub = SparkConnectServiceClient::new(endpoint.connect().await?);
        Ok(Self { stub, authorization, session: Uuid::new_v4().to_string() })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        request
    }

    /// The time from the request to the end of its answers: what the stock client does for
    /// `spark.range(number, number + 1, 1, 1).collect()`.
    async fn job(&mut self, number: i64) -> Result<Duration> {
        let operation = Uuid::new_v4().to_string();
        let user = Some(pb::UserContext { user_id: "bench".to_owned(), ..Default::default() });
        let option =
            |choice| pb::execute_plan_request::RequestOption { request_option: Some(choice) };
        let request = self.request(pb::ExecutePlanRequest {
            session_id: self.session.clone(),
            user_context: user.clone(),
            operation_id: Some(operation.clone()),
            plan: Some(range(number)),
            client_type: Some("bench".to_owned()),
            request_options: vec![
                option(Choice::ReattachOptions(pb::ReattachOptions { reattachable: true })),
                option(Choice::ResultChunkingOptions(pb::ResultChunkingOptions {
                    allow_arrow_batch_chunking: true,
                    preferred_arrow_chunk_size: None,
                })),
            ],
            ..Default::default()
        });
        let started = Instant::now();
        let mut answers = self.stub.execute_plan(request).await?.into_inner();
        let (mut rows, mut is_complete) = (0, false);
        while let Some(answer) = answers.message().await? {
            match answer.response_type {
                Some(ResponseType::ArrowBatch(batch)) => rows += batch.row_count,
                Some(ResponseType::ResultComplete(_)) => is_complete = true,
                _ => {}
            }
        }
        let time = started.elapsed();
        if !is_complete || rows != 1 {
            bail!("a job of one row yielded {rows}");
        }
        let release = self.request(pb::ReleaseExecuteRequest {
            session_id: self.session.clone(),
            user_context: user,
            operation_id: operation,
            release: Some(Release::ReleaseAll(ReleaseAll {})),
            ..Default::default()
        });
        self.stub.release_execute(release).await?;
        Ok(time)
    }
}

/// The plan of one number in one partition.
fn range(number: i64) -> pb::Plan {
    let range =
        pb::Range { start: Some(number), end: number + 1, step: 1, num_partitions: Some(1) };
    let rel_type = Some(pb::relation::RelType::Range(range));
    let common = Some(pb::RelationCommon { plan_id: Some(0), ..Default::default() });
    let root = pb::Relation { common, rel_type };
    pb::Plan { op_type: Some(pb::plan::OpType::Root(root)) }
}
