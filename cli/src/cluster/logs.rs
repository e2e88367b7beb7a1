//! A container's output, copied to standard output line by line. A broken connection is resumed
//! where it broke: each line has a timestamp that identifies it.

use super::connect::{Cluster, bounded};
use super::error;
use super::output::Output;
use crate::notify;
use futures::AsyncBufReadExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::LogParams;
use kube::{Api, Error};
use std::time::Duration;

/// Wait between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// The same after many failures.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// Silence after which a connection is reopened: a lost one is silent, too.
const SILENCE: Duration = Duration::from_mins(1);

/// The container to read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub pod: String,
    pub container: &'static str,
}

/// Extent of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// The output so far, or its last lines.
    SoFar(Option<u32>),
    /// Until the container ends, from the start or from the last lines.
    ToTheEnd(Option<u32>),
}

/// Outcome of copying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied {
    /// Complete.
    Done,
    /// The pod does not exist, or no longer exists.
    Missing,
    /// The reader of standard output is gone.
    Unread,
}

/// Copies the output. Following survives every failure but a refusal.
pub(super) async fn copy(
    cluster: &Cluster,
    source: &Source,
    extent: Extent,
    out: &Output,
) -> Result<Copied, Error> {
    let (follow, tail) = match extent {
        Extent::SoFar(tail) => (false, tail),
        Extent::ToTheEnd(tail) => (true, tail),
    };
    let pods = cluster.api();
    let mut copy = Copy { pods, source, out, follow, tail, uid: None, began: false, seen: None };
    let mut pause = PAUSE;
    let mut is_reported = false;
    loop {
        match copy.once().await {
            Ok(Once::End(copied)) => return Ok(copied),
            Ok(Once::Again) => (pause, is_reported) = (PAUSE, false),
            Err(error) if follow && !error::is_final(&error) => {
                if !std::mem::replace(&mut is_reported, true) {
                    let doing = format!("reading the output of {}", source.pod);
                    notify(&format!("{:#}; retrying", cluster.explain(error, &doing)));
                }
                pause = (pause * 2).min(MAX_PAUSE);
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
    }
}

/// Outcome of one connection.
enum Once {
    End(Copied),
    /// There may be more.
    Again,
}

/// Outcome of one read.
enum Read {
    All,
    Broken,
    Unread,
}

struct Copy<'a> {
    pods: Api<Pod>,
    source: &'a Source,
    out: &'a Output,
    follow: bool,
    tail: Option<u32>,
    /// Uid of the pod being read: a later one may have its name.
    uid: Option<String>,
    /// Whether any output arrived.
    began: bool,
    /// Timestamp of the last line.
    seen: Option<Timestamp>,
}

impl Copy<'_> {
    /// Reads until the connection ends.
    async fn once(&mut self) -> Result<Once, Error> {
        // Checked first: an ended container writes nothing more, so one read is enough.
        let pod = bounded(self.pods.get_opt(&self.source.pod)).await?;
        let Some(pod) = pod else { return Ok(Once::End(self.gone().await)) };
        if self.uid.is_some() && self.uid != pod.metadata.uid {
            return Ok(Once::End(self.gone().await));
        }
        self.uid.clone_from(&pod.metadata.uid);
        let ended = has_ended(&pod, self.source.container);
        let params = LogParams {
            container: Some(self.source.container.to_owned()),
            follow: self.follow && !ended,
            // In whole seconds, rounded down: the client would round to nearest.
            since_time: self.seen.and_then(|at| Timestamp::from_second(at.as_second()).ok()),
            tail_lines: self.tail.map(i64::from),
            timestamps: true,
            ..LogParams::default()
        };
        match self.read(&params).await {
            Ok(Read::Unread) => Ok(Once::End(Copied::Unread)),
            Ok(Read::All) if ended || !self.follow => Ok(Once::End(self.done().await)),
            Ok(Read::All | Read::Broken) => {
                self.tail = self.tail.filter(|_| self.seen.is_none());
                Ok(Once::Again)
            }
            // A container that has not started answers "bad request"; one that never will has
            // ended.
            Err(Error::Api(status)) if status.code == 400 && ended => {
                Ok(Once::End(self.done().await))
            }
            Err(Error::Api(status)) if status.code == 400 && self.follow => Ok(Once::Again),
            Err(Error::Api(status)) if status.code == 404 => Ok(Once::End(self.gone().await)),
            Err(error) => Err(error),
        }
    }

    /// The pod is gone. If any output was read, it is complete.
    async fn gone(&self) -> Copied {
        if self.began { self.done().await } else { Copied::Missing }
    }

    async fn done(&self) -> Copied {
        match self.out.flush().await {
            Ok(()) => Copied::Done,
            Err(_) => Copied::Unread,
        }
    }

    async fn read(&mut self, params: &LogParams) -> Result<Read, Error> {
        let asked = self.pods.log_stream(&self.source.pod, params);
        let Ok(stream) = tokio::time::timeout(SILENCE, asked).await else {
            return silent(params);
        };
        let mut stream = std::pin::pin!(stream?);
        self.began = true;
        let before = self.seen;
        let mut line = Vec::new();
        loop {
            line.clear();
            match tokio::time::timeout(SILENCE, stream.read_until(b'\n', &mut line)).await {
                Ok(Ok(0)) => return Ok(Read::All),
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Ok(Read::Broken),
                Err(_) => return silent(params),
            }
            // The API server closes the response cleanly even if it lost the node: a partial line
            // will come again in full.
            if params.follow && !line.ends_with(b"\n") {
                return Ok(Read::Broken);
            }
            let (time, text) = timed(&line);
            // The start time has a resolution of seconds, so lines already copied come again.
            if time.is_some() && time <= before {
                continue;
            }
            self.seen = time.or(self.seen);
            if self.out.line(text).await.is_err() {
                return Ok(Read::Unread);
            }
        }
    }
}

/// A running container may be silent for long; the output of an ended one is complete.
fn silent(params: &LogParams) -> Result<Read, Error> {
    if params.follow {
        return Ok(Read::Broken);
    }
    Err(Error::Service(format!("no data for {} s", SILENCE.as_secs()).into()))
}

/// A line and its timestamp.
fn timed(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let space = line.iter().position(|byte| *byte == b' ');
    let time = space.and_then(|space| std::str::from_utf8(&line[..space]).ok()?.parse().ok());
    match (time, space) {
        (Some(time), Some(space)) => (Some(time), &line[space + 1..]),
        _ => (None, line),
    }
}

fn has_ended(pod: &Pod, container: &str) -> bool {
    let Some(status) = &pod.status else { return false };
    let phase = status.phase.as_deref().unwrap_or_default();
    let mut containers = status.container_statuses.iter().flatten();
    let ours = containers.find(|status| status.name == container);
    let terminated =
        ours.and_then(|status| status.state.as_ref()).is_some_and(|s| s.terminated.is_some());
    terminated || matches!(phase, "Succeeded" | "Failed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_timestamp_of_a_line_is_not_part_of_it() {
        let cases: [(&[u8], bool, &[u8]); 6] = [
            (b"2026-11-21T16:15:11.123456789Z a b\n", true, b"a b\n"),
            (b"2026-11-21T16:15:11.123456789+02:00 \n", true, b"\n"),
            (b"2026-11-21T16:15:11Z \xff\n", true, b"\xff\n"),
            (b"no time\n", false, b"no time\n"),
            (b"2026\n", false, b"2026\n"),
            (b"", false, b""),
        ];
        for (line, has_time, text) in cases {
            let (time, rest) = timed(line);
            assert_eq!((time.is_some(), rest), (has_time, text));
        }
        let (early, _) = timed(b"2026-11-21T16:15:11.100000000Z x");
        let (late, _) = timed(b"2026-11-21T18:15:11.200000000+02:00 x");
        assert!(early < late);
    }

    #[test]
    fn a_container_has_ended_when_it_or_its_pod_has() {
        let pod = |status: serde_json::Value| -> Pod {
            serde_json::from_value(json!({ "metadata": {}, "status": status })).unwrap()
        };
        let container = |name: &str, state: &str| json!({ "containerStatuses": [{ "name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": { state: { "exitCode": 0 } } }] });
        assert!(!has_ended(&pod(json!({ "phase": "Pending" })), "c"));
        assert!(!has_ended(&pod(container("c", "running")), "c"));
        assert!(!has_ended(&pod(container("sidecar", "terminated")), "c"));
        assert!(has_ended(&pod(container("c", "terminated")), "c"));
        assert!(has_ended(&pod(json!({ "phase": "Failed" })), "c"));
    }
}
