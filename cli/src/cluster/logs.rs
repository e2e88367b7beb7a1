//! What a container said, copied to standard output line by line. A connection that breaks is made again where it broke: every line
//! has a time, by which it is known.

use super::connect::Cluster;
use futures::AsyncBufReadExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::api::LogParams;
use kube::{Api, Error};
use std::io::Write;
use std::time::Duration;

/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Which container.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub pod: String,
    pub container: &'static str,
}

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// What was said so far, or the last lines of it.
    SoFar(Option<u32>),
    /// Until the container ends, from its beginning or from the last lines.
    ToTheEnd(Option<u32>),
}

/// How copying ended.
#[derive(Debug)]
pub(super) enum Copied {
    /// All is there.
    Done,
    /// There is no such pod, or none any more.
    Missing,
    /// Nobody reads it.
    Unread,
}

/// Copies it.
pub(super) async fn copy(
    cluster: &Cluster,
    source: &Source,
    extent: Extent,
) -> Result<Copied, Error> {
    let pods: Api<Pod> = cluster.api();
    let (follow, mut tail) = match extent {
        Extent::SoFar(tail) => (false, tail),
        Extent::ToTheEnd(tail) => (true, tail),
    };
    let mut copy = Copy { seen: None };
    loop {
        // Looked at first: what has ended says nothing after that, so one reading is enough.
        let Some(pod) = pods.get_opt(&source.pod).await? else { return Ok(Copied::Missing) };
        let ended = has_ended(&pod, source.container);
        let params = LogParams {
            container: Some(source.container.to_owned()),
            follow: follow && !ended,
            // In whole seconds, and none too many: it would be rounded otherwise.
            since_time: copy.seen.and_then(|at| Timestamp::from_second(at.as_second()).ok()),
            tail_lines: tail.map(i64::from),
            timestamps: true,
            ..LogParams::default()
        };
        match copy.read(&pods, &source.pod, &params).await {
            Ok(Read::Unread) => return Ok(Copied::Unread),
            Ok(Read::All) if ended || !follow => return Ok(Copied::Done),
            Ok(Read::All | Read::Broken) => tail = tail.filter(|_| copy.seen.is_none()),
            // A container that has not started says so by "bad request"; one that never will has ended.
            Err(Error::Api(status)) if status.code == 400 && follow && !ended => {}
            Err(Error::Api(status)) if status.code == 400 && ended => return Ok(Copied::Done),
            Err(Error::Api(status)) if status.code == 404 => return Ok(Copied::Missing),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// How a reading ended.
enum Read {
    All,
    Broken,
    Unread,
}

struct Copy {
    /// Time of the last line.
    seen: Option<Timestamp>,
}

impl Copy {
    async fn read(
        &mut self,
        pods: &Api<Pod>,
        pod: &str,
        params: &LogParams,
    ) -> Result<Read, Error> {
        let mut stream = std::pin::pin!(pods.log_stream(pod, params).await?);
        let before = self.seen;
        let mut line = Vec::new();
        loop {
            line.clear();
            match stream.read_until(b'\n', &mut line).await {
                Ok(0) => return Ok(Read::All),
                Ok(_) => {}
                Err(_) => return Ok(Read::Broken),
            }
            // The API server ends its answer in good order, too, where it lost the node: half a line comes again as a whole.
            if params.follow && !line.ends_with(b"\n") {
                return Ok(Read::Broken);
            }
            let (time, text) = timed(&line);
            // "Since" counts in seconds, so what was copied already comes again.
            if time.is_some() && time <= before {
                continue;
            }
            self.seen = time.or(self.seen);
            let mut out = std::io::stdout().lock();
            if out.write_all(text).and_then(|()| out.flush()).is_err() {
                return Ok(Read::Unread);
            }
        }
    }
}

/// A line and the time in front of it.
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
    fn the_time_in_front_of_a_line_is_not_part_of_it() {
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
