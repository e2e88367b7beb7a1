//! The pool: one thread that owns the fork server and the workers without a task, reads what all
//! workers print, and answers what they ask for.
//!
//! Whatever ends the pool, nothing is left of it: with its process or its thread the server's
//! control socket is closed, and the server kills its workers.

use super::failure::{self, Exit};
use super::frames::Outbox;
use super::idle::Idle;
use super::printed::Printed;
use super::requests::{self, Desk, Serving};
use super::server::{self, Ends, Notice, Server};
use super::settings::PoolSettings;
use super::worker::{self, Worker};
use model::TaskFailure;
use rustix::process::Pid;
use std::collections::{HashMap, VecDeque};
use std::io::{self, PipeReader};
use std::os::unix::net::UnixStream as Socket;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// How long a worker that has finished may take to skip the rest of its input.
const REST_PATIENCE: Duration = Duration::from_secs(10);

/// What tasks send to the pool.
#[derive(Debug)]
pub(super) enum Request {
    /// A worker is wanted for a task with these files.
    Take { files: String, reply: Reply },
    /// A worker has finished its task; `rest` is what it has still to skip.
    Return { worker: Worker, files: String, rest: Outbox },
}

type Reply = oneshot::Sender<Result<Worker, TaskFailure>>;

/// Starts a pool, which runs until the last sender is dropped.
pub(super) fn start(
    settings: PoolSettings,
    desk: Desk,
) -> io::Result<mpsc::UnboundedSender<Request>> {
    let (sender, inbox) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("python".to_owned())
        .spawn(move || runtime.block_on(Pool::new(settings, desk).serve(inbox)))?;
    Ok(sender)
}

struct Pool {
    settings: PoolSettings,
    desk: Desk,
    idle: Idle<Worker>,
    server: Option<Server>,
    /// Workers that the server was asked for, in order.
    asked: VecDeque<Asked>,
    /// Workers that have not ended.
    living: HashMap<Pid, watch::Sender<Option<Exit>>>,
    /// Workers that have skipped the rest of their input.
    skipped: (mpsc::UnboundedSender<(Worker, String)>, mpsc::UnboundedReceiver<(Worker, String)>),
}

struct Asked {
    reply: Reply,
    deadline: Instant,
    data: Socket,
    requests: Socket,
    output: PipeReader,
}

impl Pool {
    fn new(settings: PoolSettings, desk: Desk) -> Self {
        let idle = Idle::new(settings.idle_limit, settings.idle_timeout);
        Self {
            settings,
            desk,
            idle,
            server: None,
            asked: VecDeque::new(),
            living: HashMap::new(),
            skipped: mpsc::unbounded_channel(),
        }
    }

    async fn serve(mut self, mut inbox: mpsc::UnboundedReceiver<Request>) {
        loop {
            let deadline = [self.idle.deadline(), self.asked.front().map(|asked| asked.deadline)];
            let deadline = deadline.into_iter().flatten().min();
            tokio::select! {
                request = inbox.recv() => match request {
                    Some(Request::Take { files, reply }) => self.take(files, reply).await,
                    Some(Request::Return { worker, files, rest }) => {
                        self.put(worker, files, rest);
                    }
                    None => break,
                },
                notice = notice(self.server.as_mut()) => match notice {
                    Ok(notice) => self.learn(notice),
                    Err(error) => self.lose_server(problem(&error)).await,
                },
                Some((worker, files)) = self.skipped.1.recv() => {
                    self.put(worker, files, Outbox::default());
                }
                () = at(deadline) => self.expire().await,
            }
        }
        self.lose_server(None).await;
    }

    async fn take(&mut self, files: String, reply: Reply) {
        while let Some(worker) = self.idle.take(&files) {
            if worker.is_waiting() {
                worker.printed.forget();
                // If nobody waits any more the worker ends: its task was stopped.
                let _ = reply.send(Ok(worker));
                return;
            }
        }
        if let Err(error) = self.ask(reply).await {
            self.lose_server(problem(&error)).await;
        }
    }

    /// Asks the server for a worker.
    async fn ask(&mut self, reply: Reply) -> io::Result<()> {
        let ((data, their_data), (requests, their_requests)) = (Socket::pair()?, Socket::pair()?);
        let (output, their_output) = io::pipe()?;
        data.set_nonblocking(true)?;
        requests.set_nonblocking(true)?;
        let ends = Ends { data: their_data, requests: their_requests, output: their_output };
        let deadline = Instant::now() + self.settings.patience;
        self.asked.push_back(Asked { reply, deadline, data, requests, output });
        let server = match &mut self.server {
            Some(server) => server,
            none => none.insert(Server::start(&self.settings.environment)?),
        };
        server.fork(&ends).await
    }

    /// Puts a worker to the others without a task.
    fn put(&mut self, worker: Worker, files: String, rest: Outbox) {
        if !self.settings.reuse {
            return;
        }
        if rest.is_empty() {
            // The one that is too many is dropped, and ends.
            drop(self.idle.put(worker, files, Instant::now()));
            return;
        }
        let skipped = self.skipped.0.clone();
        tokio::spawn(async move {
            if let Ok(Ok(())) = timeout(REST_PATIENCE, write(&worker, rest)).await {
                let _ = skipped.send((worker, files));
            }
        });
    }

    fn learn(&mut self, notice: Notice) {
        match notice {
            Notice::Forked { forked } => {
                if let (Some(asked), Some(pid)) = (self.asked.pop_front(), server::pid(forked)) {
                    self.hand_over(pid, asked);
                }
            }
            Notice::Refused { error } => {
                if let Some(asked) = self.asked.pop_front() {
                    let environment = &self.settings.environment;
                    let _ = asked.reply.send(Err(failure::no_worker(environment, error, "")));
                }
            }
            Notice::Exited { exited, code, signal } => {
                if let Some(exit) = server::pid(exited).and_then(|pid| self.living.remove(&pid)) {
                    exit.send_replace(Some(Notice::exit(code, signal)));
                    self.idle.retain(|worker| worker.exit.borrow().is_none());
                }
            }
        }
    }

    fn hand_over(&mut self, pid: Pid, asked: Asked) {
        let Asked { reply, deadline: _, data, requests, output } = asked;
        let (exit, news) = watch::channel(None);
        self.living.insert(pid, exit);
        let follow = || {
            let printed = Printed::follow(output, pid.as_raw_nonzero().get())?;
            Ok((printed, UnixStream::from_std(requests)?))
        };
        let made = follow().map(|(printed, requests)| {
            let (desk, serving) = (self.desk.clone(), Serving::default());
            let serve = requests::serve(requests, desk, Arc::clone(&serving));
            let requests = tokio::spawn(serve).abort_handle();
            Worker { pid, data, printed, exit: news, requests, serving }
        });
        let environment = &self.settings.environment;
        let failed = |error: io::Error| failure::no_worker(environment, error, "");
        let _ = reply.send(made.map_err(failed));
    }

    /// Ends workers that were idle for too long, and a server that does not answer.
    async fn expire(&mut self) {
        let now = Instant::now();
        while let Some(worker) = self.idle.expired(now) {
            drop(worker);
        }
        if self.asked.front().is_some_and(|asked| asked.deadline <= now) {
            let patience = self.settings.patience;
            self.lose_server(Some(format!("it did not answer within {patience:?}"))).await;
        }
    }

    /// Ends the server and its workers. The next task starts another.
    async fn lose_server(&mut self, problem: Option<String>) {
        for (pid, exit) in self.living.drain() {
            worker::kill(pid);
            exit.send_replace(Some(Exit::Unknown));
        }
        self.idle.retain(|_| false);
        let (ended, printed) = match self.server.take() {
            Some(server) => server.end().await,
            None => Default::default(),
        };
        let how = problem.unwrap_or(ended);
        for asked in self.asked.drain(..) {
            let failure = failure::no_worker(&self.settings.environment, &how, &printed);
            let _ = asked.reply.send(Err(failure));
        }
    }
}

async fn notice(server: Option<&mut Server>) -> io::Result<Notice> {
    match server {
        Some(server) => server.next().await,
        None => std::future::pending().await,
    }
}

/// The problem with a server; none if it has just ended.
fn problem(error: &io::Error) -> Option<String> {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    let has_ended = matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof);
    (!has_ended).then(|| error.to_string())
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn write(worker: &Worker, mut rest: Outbox) -> io::Result<()> {
    let socket = UnixStream::from_std(worker.data.try_clone()?)?;
    std::future::poll_fn(|cx| rest.poll_write(cx, &socket)).await
}
