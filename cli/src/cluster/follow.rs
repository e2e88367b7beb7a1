//! Waiting for an application: its driver's output on standard output, its changes of state on standard error, its exit code in the
//! end.

use super::connect::Cluster;
use super::failure;
use super::logs::{self, Copied, Extent, Source};
use super::output::Output;
use super::story::{Story, driver, exit_code};
use crate::say;
use crate::stop::Stop;
use anyhow::Result;
use crd::names::DRIVER_CONTAINER;
use crd::{SparkApplication, SparkApplicationStatus, State};
use futures::StreamExt;
use kube::Error;
use kube::runtime::{WatchStreamExt as _, watcher};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long nothing may come of the rest of the output after the application has ended.
const REST: Duration = Duration::from_secs(20);
/// How long an operator may take to look at a new application before that is worth a line.
const NEGLECT: Duration = Duration::from_secs(30);
/// Exit code where nobody reads what is written, as a shell has it.
const UNREAD: u8 = 141;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Output and changes of state.
    All,
    /// Output only, from the last lines on.
    Output(Option<u32>),
}

/// Waits until the application has ended for good, or is deleted, or this command is told to stop.
pub(super) async fn follow(cluster: &Cluster, name: &str, shown: Shown) -> Result<u8> {
    let mut stop = Stop::listen()?;
    let watch = watcher::watch_object(cluster.api::<SparkApplication>(), name).default_backoff();
    let mut watch = std::pin::pin!(watch);
    let mut neglect = std::pin::pin!(tokio::time::sleep(NEGLECT));
    let mut told = Told { cluster, name, shown, story: Story::default(), trouble: false };
    let mut drivers = Drivers { cluster, out: Output::begin()?, submission: None, copying: None };
    let (mut is_new, mut is_neglected) = (false, false);
    let code = loop {
        let seen = tokio::select! {
            seen = watch.next() => seen,
            (_, code) = stop.next() => return Ok(told.left(code)),
            () = drivers.out.unread(), if shown != Shown::All => return Ok(UNREAD),
            () = &mut neglect, if is_new && !is_neglected => {
                is_neglected = true;
                say(&format!(
                    "{name}: nobody has looked at it yet; is the operator running, and does it watch this namespace?"
                ));
                continue;
            }
        };
        let application = match seen {
            Some(Ok(Some(application))) => application,
            Some(Ok(None)) => break None,
            Some(Err(error)) => {
                told.trouble(error)?;
                continue;
            }
            None => return Ok(1),
        };
        let status = application.status.unwrap_or_default();
        is_new = status.application_state.state == State::New;
        told.status(&status);
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
        say(&format!("{name} was deleted"));
    }
    Ok(code.unwrap_or(1))
}

/// What is said about an application.
struct Told<'a> {
    cluster: &'a Cluster,
    name: &'a str,
    shown: Shown,
    story: Story,
    /// Whether it was said that the watch is broken.
    trouble: bool,
}

impl Told<'_> {
    fn status(&mut self, status: &SparkApplicationStatus) {
        self.trouble = false;
        if self.shown == Shown::All {
            for line in self.story.lines(status) {
                say(&format!("{}: {line}", self.name));
            }
        }
    }

    /// A watch is made again by itself, and one line about it is enough; unless it is refused.
    fn trouble(&mut self, error: watcher::Error) -> Result<()> {
        let error = cause(error);
        if is_too_old(&error) {
            return Ok(());
        }
        let is_final = failure::is_final(&error);
        let problem = self.cluster.explain(error, &format!("watching {}", self.name));
        if is_final {
            return Err(problem);
        }
        if !std::mem::replace(&mut self.trouble, true) {
            say(&format!("{problem:#}; trying again"));
        }
        Ok(())
    }

    /// Somebody does not wait any longer.
    fn left(&self, code: u8) -> u8 {
        let (name, namespace) = (self.name, &self.cluster.namespace);
        say(&format!(
            "{name} goes on; `firesteel logs -f -n {namespace} {name}` follows it again, `firesteel kill -n {namespace} {name}` ends it"
        ));
        code
    }
}

/// What is behind the trouble of a watch.
fn cause(error: watcher::Error) -> Error {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error,
        watcher::Error::WatchError(status) => Error::Api(status),
        error @ watcher::Error::NoResourceVersion => Error::Service(error.into()),
    }
}

/// Whether an API server has forgotten where a watch was. It is asked from the beginning then, and nothing is lost.
fn is_too_old(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 410)
}

/// The output of one driver after the other.
struct Drivers<'a> {
    cluster: &'a Cluster,
    out: Output,
    submission: Option<String>,
    copying: Option<Copying>,
}

impl Drivers<'_> {
    /// From now on that of this submission's driver.
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
        self.copying = Some(Copying(tokio::spawn(async move {
            if let Some(before) = before {
                before.rest(&out).await;
            }
            match logs::copy(&cluster, &source, Extent::ToTheEnd(tail), &out).await {
                Ok(Copied::Done | Copied::Unread) => {}
                Ok(Copied::Missing) => {
                    say(&format!("the pod {} is gone, and what it said with it", source.pod));
                }
                Err(error) => {
                    say(&format!("{:#}", cluster.explain(error, "reading the driver's output")));
                }
            }
        })));
    }

    /// Waits for what is still to come.
    async fn finish(&mut self) {
        if let Some(copying) = self.copying.take() {
            copying.rest(&self.out).await;
        }
    }
}

/// A task that copies, as long as somebody has this.
struct Copying(JoinHandle<()>);

impl Copying {
    /// Waits for its end, as long as something comes.
    async fn rest(mut self, out: &Output) {
        tokio::select! {
            _ = &mut self.0 => {}
            () = out.silent(REST) => say("the rest of the driver's output did not come"),
        }
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refused_watch_is_told_from_one_that_is_made_again() {
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
                assert_eq!((failure::is_final(&error), is_too_old(&error)), (is_final, is_old));
            }
        }
    }
}
