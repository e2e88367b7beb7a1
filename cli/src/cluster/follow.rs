//! Waiting for an application: its driver's output on standard output, its changes of state on standard error, its exit code in the
//! end.

use super::connect::Cluster;
use super::failure;
use super::logs::{self, Copied, Extent, Source};
use super::story::{Story, driver, exit_code};
use crate::say;
use crate::stop::Stop;
use anyhow::Result;
use crd::SparkApplication;
use crd::names::DRIVER_CONTAINER;
use futures::StreamExt;
use kube::runtime::{WatchStreamExt as _, watcher};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long the rest of the output may take after the application has ended.
const REST: Duration = Duration::from_secs(20);

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
    let mut output = Output { cluster, submission: None, copying: None };
    let mut story = Story::default();
    let mut is_told = false;
    loop {
        let seen = tokio::select! {
            seen = watch.next() => seen,
            (_, code) = stop.next() => {
                let namespace = &cluster.namespace;
                say(&format!("{name} goes on; `firesteel logs -f -n {namespace} {name}` follows it again, `firesteel kill -n {namespace} {name}` ends it"));
                return Ok(code);
            }
        };
        let application = match seen {
            Some(Ok(Some(application))) => application,
            Some(Ok(None)) => {
                output.finish().await;
                say(&format!("{name} was deleted"));
                return Ok(1);
            }
            Some(Err(watcher::Error::InitialListFailed(error))) if failure::is_final(&error) => {
                return Err(cluster.explain(error, &format!("watching {name}")));
            }
            Some(Err(error)) => {
                // It is tried again, and one line about it is enough.
                if !std::mem::replace(&mut is_told, true) {
                    say(&format!("watching {name}: {error}; trying again"));
                }
                continue;
            }
            None => return Ok(1),
        };
        is_told = false;
        let status = application.status.unwrap_or_default();
        if shown == Shown::All {
            for line in story.lines(&status) {
                say(&format!("{name}: {line}"));
            }
        }
        if let Some((pod, submission)) = driver(&status) {
            let tail = match shown {
                Shown::Output(tail) => tail,
                Shown::All => None,
            };
            output.of(pod, submission, tail);
        }
        if let Some(code) = exit_code(&status) {
            output.finish().await;
            return Ok(code);
        }
    }
}

/// The output of one driver after the other.
struct Output<'a> {
    cluster: &'a Cluster,
    submission: Option<String>,
    copying: Option<JoinHandle<()>>,
}

impl Output<'_> {
    /// From now on that of this submission's driver.
    fn of(&mut self, pod: &str, submission: &str, tail: Option<u32>) {
        if self.submission.as_deref() == Some(submission) {
            return;
        }
        // Of a later driver everything is new.
        let tail = tail.filter(|_| self.submission.is_none());
        self.submission = Some(submission.to_owned());
        let before = self.copying.take();
        let cluster = self.cluster.clone();
        let source = Source { pod: pod.to_owned(), container: DRIVER_CONTAINER };
        self.copying = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = tokio::time::timeout(REST, before).await;
            }
            match logs::copy(&cluster, &source, Extent::ToTheEnd(tail)).await {
                Ok(Copied::Done | Copied::Missing | Copied::Unread) => {}
                Err(error) => {
                    say(&format!("{:#}", cluster.explain(error, "reading the driver's output")));
                }
            }
        }));
    }

    /// Waits for what is still to come.
    async fn finish(&mut self) {
        if let Some(copying) = self.copying.take()
            && tokio::time::timeout(REST, copying).await.is_err()
        {
            say("the rest of the driver's output did not come");
        }
    }
}
