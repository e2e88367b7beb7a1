//! Follows an application: its driver's output to standard output, its state changes to standard
//! error, its exit code in the end.

use super::connect::Cluster;
use super::error;
use super::logs::{self, Copied, Extent, Source};
use super::output::Output;
use super::state_changes::{StateChanges, driver, exit_code};
use crate::notify;
use crate::signals::Signals;
use anyhow::Result;
use crd::names::DRIVER_CONTAINER;
use crd::{SparkApplication, SparkApplicationStatus, State};
use futures::StreamExt;
use kube::Error;
use kube::runtime::{WatchStreamExt as _, watcher};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Time to wait for more output after the application has ended.
const REST_TIMEOUT: Duration = Duration::from_secs(20);
/// Time that a new application may stay unreconciled before a hint is printed.
const RECONCILE_HINT_AFTER: Duration = Duration::from_secs(30);
/// Exit code when the reader of the output is gone, as in a shell.
const BROKEN_PIPE: u8 = 141;

/// Extent of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Output and state changes.
    All,
    /// Output only, starting at the last lines.
    Output(Option<u32>),
}

/// Waits until the application has ended for good, is deleted, or this command gets a signal.
pub(super) async fn follow(cluster: &Cluster, name: &str, shown: Shown) -> Result<u8> {
    let mut stop = Signals::listen()?;
    let watch = watcher::watch_object(cluster.api::<SparkApplication>(), name).default_backoff();
    let mut watch = std::pin::pin!(watch);
    let mut hint = std::pin::pin!(tokio::time::sleep(RECONCILE_HINT_AFTER));
    let mut reporter =
        Reporter { cluster, name, shown, changes: StateChanges::default(), trouble: false };
    let mut drivers = Drivers { cluster, out: Output::begin()?, submission: None, copying: None };
    let (mut is_new, mut is_hinted) = (false, false);
    let code = loop {
        let seen = tokio::select! {
            seen = watch.next() => seen,
            (_, code) = stop.next() => return Ok(reporter.detach(code)),
            () = drivers.out.unread(), if shown != Shown::All => return Ok(BROKEN_PIPE),
            () = &mut hint, if is_new && !is_hinted => {
                is_hinted = true;
                notify(&format!(
                    "{name}: no operator has reconciled it yet; is the operator running, and does it watch this namespace?"
                ));
                continue;
            }
        };
        let application = match seen {
            Some(Ok(Some(application))) => application,
            Some(Ok(None)) => break None,
            Some(Err(error)) => {
                reporter.trouble(error)?;
                continue;
            }
            None => return Ok(1),
        };
        let status = application.status.unwrap_or_default();
        is_new = status.application_state.state == State::New;
        reporter.status(&status);
        if let Some((pod, submission)) = driver(&status) {
            let tail = match shown {
                Shown::Output(tail) => tail,
                Shown::All => None,
            };
            drivers.next(pod, submission, tail);
        }
        if let Some(code) = exit_code(&status) {
            break Some(code);
        }
    };
    tokio::select! {
        () = drivers.finish() => {}
        (_, code) = stop.next() => return Ok(code),
    }
    if code.is_none() {
        notify(&format!("{name} was deleted"));
    }
    Ok(code.unwrap_or(1))
}

/// Prints news of an application.
struct Reporter<'a> {
    cluster: &'a Cluster,
    name: &'a str,
    shown: Shown,
    changes: StateChanges,
    /// Whether a broken watch was reported.
    trouble: bool,
}

impl Reporter<'_> {
    fn status(&mut self, status: &SparkApplicationStatus) {
        self.trouble = false;
        if self.shown == Shown::All {
            for line in self.changes.lines(status) {
                notify(&format!("{}: {line}", self.name));
            }
        }
    }

    /// A broken watch is retried by itself, and one line about it is enough; a refusal is final.
    fn trouble(&mut self, error: watcher::Error) -> Result<()> {
        let error = cause(error);
        if is_too_old(&error) {
            return Ok(());
        }
        let is_final = error::is_final(&error);
        let problem = self.cluster.explain(error, &format!("watching {}", self.name));
        if is_final {
            return Err(problem);
        }
        if !std::mem::replace(&mut self.trouble, true) {
            notify(&format!("{problem:#}; retrying"));
        }
        Ok(())
    }

    /// The user stops waiting.
    fn detach(&self, code: u8) -> u8 {
        let (name, namespace) = (self.name, &self.cluster.namespace);
        notify(&format!(
            "{name} keeps running; `firesteel logs -f -n {namespace} {name}` follows it again, `firesteel kill -n {namespace} {name}` ends it"
        ));
        code
    }
}

/// The cause of a watch's trouble.
fn cause(error: watcher::Error) -> Error {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error,
        watcher::Error::WatchError(status) => Error::Api(status),
        error @ watcher::Error::NoResourceVersion => Error::Service(error.into()),
    }
}

/// Whether the watch's version is too old for the API server. The watch then restarts from a list,
/// and nothing is lost.
fn is_too_old(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 410)
}

/// The output of one driver after another.
struct Drivers<'a> {
    cluster: &'a Cluster,
    out: Output,
    submission: Option<String>,
    copying: Option<CopyTask>,
}

impl Drivers<'_> {
    /// Switches to the output of this submission's driver.
    fn next(&mut self, pod: &str, submission: &str, tail: Option<u32>) {
        if self.submission.as_deref() == Some(submission) {
            return;
        }
        // Of a later driver everything is new.
        let tail = tail.filter(|_| self.submission.is_none());
        self.submission = Some(submission.to_owned());
        let before = self.copying.take();
        let cluster = self.cluster.clone();
        let out = self.out.clone();
        let source = Source { pod: pod.to_owned(), container: DRIVER_CONTAINER };
        self.copying = Some(CopyTask(tokio::spawn(async move {
            if let Some(before) = before {
                before.rest(&out).await;
            }
            match logs::copy(&cluster, &source, Extent::ToTheEnd(tail), &out).await {
                Ok(Copied::Done | Copied::Unread) => {}
                Ok(Copied::Missing) => {
                    notify(&format!("the pod {} is gone, and its output with it", source.pod));
                }
                Err(error) => {
                    notify(&format!("{:#}", cluster.explain(error, "reading the driver's output")));
                }
            }
        })));
    }

    /// Waits for the remaining output.
    async fn finish(&mut self) {
        if let Some(copying) = self.copying.take() {
            copying.rest(&self.out).await;
        }
    }
}

/// A copying task; dropping it stops the copying.
struct CopyTask(JoinHandle<()>);

impl CopyTask {
    /// Waits for its end, as long as output arrives.
    async fn rest(mut self, out: &Output) {
        tokio::select! {
            _ = &mut self.0 => {}
            () = out.silent(REST_TIMEOUT) => notify("the rest of the driver's output did not arrive"),
        }
    }
}

impl Drop for CopyTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refused_watch_is_distinguished_from_one_that_is_retried() {
        let status = |code: u16| {
            let status = json!({ "code": code, "message": "m", "details": { "name": "pi" } });
            serde_json::from_value(status).unwrap()
        };
        let made: [fn(Error) -> watcher::Error; 3] = [
            watcher::Error::InitialListFailed,
            watcher::Error::WatchStartFailed,
            watcher::Error::WatchFailed,
        ];
        for (code, is_final, is_old) in [
            (401, true, false),
            (403, true, false),
            (404, true, false),
            (410, false, true),
            (500, false, false),
            (503, false, false),
        ] {
            let mut causes: Vec<Error> =
                made.iter().map(|made| cause(made(Error::Api(status(code))))).collect();
            causes.push(cause(watcher::Error::WatchError(status(code))));
            for error in causes {
                assert_eq!((error::is_final(&error), is_too_old(&error)), (is_final, is_old));
            }
        }
    }
}
