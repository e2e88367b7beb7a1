"""Drivers for programs that are run by plain `python`.

A session without a remote address gets a driver of its own: `firesteel session`, a child process that starts the executors. It ends when the
session is stopped, or when this process ends, in whatever way.
"""

import atexit
import contextlib
import functools
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import threading
import weakref

END_SECONDS = 30
"""Limit on the end of a driver that was asked to end."""

INTERRUPTED_SECONDS = 3
"""Limit on the rest of the exit after Ctrl-C."""
INTERRUPTED_CODE = 130

_OFF = ("0", "off", "false", "no")
# Settings about how to connect, which neither a driver nor a session has.
_NOT_SETTINGS = ("spark.remote", "spark.api.mode")
# Settings that a running driver cannot change.
_AT_START = (*_NOT_SETTINGS, "spark.master", "spark.app.name", "spark.submit.pyFiles", "spark.files", "spark.archives")

_lock = threading.RLock()
_driver = None
# Drivers of the process that this one was forked from.
_inherited = set()
_is_registered = False


def patch(module) -> None:
    """Patches the imported module `pyspark.sql.session`: its builders start drivers."""
    if not _is_on():
        return
    # Full PySpark asks this variable which kind of function, column or window to make, even before there is a session.
    os.environ.setdefault("SPARK_CONNECT_MODE_ENABLED", "1")
    builder = module.SparkSession.Builder
    for name in ("getOrCreate", "create"):
        setattr(builder, name, _launching(getattr(builder, name), name))


def driver():
    """The running driver of this process, if there is one."""
    with _lock:
        return _driver if _driver is not None and _driver.runs() else None


def files_root():
    """The directory of the application's files (the root of `SparkFiles`), if it is on this machine."""
    own = driver()
    return own.files if own is not None else os.environ.get("FIRESTEEL_FILES")


def command() -> str:
    """The path of the `firesteel` command: `$FIRESTEEL`, the one installed with this package, or the first one on the path."""
    given = os.environ.get("FIRESTEEL")
    if given:
        return given
    found = _installed()
    if found is None:
        found = shutil.which("firesteel", path=sysconfig.get_path("scripts")) or shutil.which("firesteel")
    if found is None:
        raise FileNotFoundError("the command `firesteel` is not installed; set FIRESTEEL to its path, or call .remote(…) with a server's address")
    return found


def _installed():
    """The command among the files of the installed package, wherever its scripts are."""
    from importlib import metadata

    try:
        files = metadata.distribution("firesteel").files or []
    except metadata.PackageNotFoundError:
        return None
    paths = (str(file.locate()) for file in files if file.name == "firesteel" and file.parent.name in ("bin", "Scripts"))
    return next((os.path.abspath(path) for path in paths if os.access(path, os.X_OK)), None)


def _is_on() -> bool:
    return os.environ.get("FIRESTEEL_LAUNCH", "").lower() not in _OFF


def _launching(original, method: str):
    @functools.wraps(original)
    def call(self):
        options = {key: value for key, value in self._options.items() if value is not None}
        remote = options.get("spark.remote", os.environ.get("SPARK_REMOTE"))
        if remote is not None and not remote.startswith("local"):
            return original(self)
        if remote is not None:
            options["spark.master"] = remote
        return _session(options, method)

    return call


def _session(options: dict, method: str):
    global _driver
    SparkSession = _connect_session()
    _end_drivers_with(SparkSession)
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    later = {key: value for key, value in options.items() if key not in _AT_START}
    with _lock:
        own = driver()
        if own is None and method == "getOrCreate" and _connected(SparkSession):
            # To somebody else's server, with an explicit address.
            return SparkSession.builder.config(map=later).getOrCreate()
        if own is None:
            own = _driver = Driver(options)
            later = {}
            _at_exit()
        session = getattr(_to(own.url, SparkSession.builder.config(map=later)), method)()
        own.sessions.add(session)
        # After the client's own handler, and thus before it at the exit.
        atexit.unregister(_end)
        atexit.register(_end)
        return session


def _connect_session():
    """The class of sessions of Spark Connect.

    PySpark takes a main module without a file (`python -c`, a process of pytest-xdist) for its own doctests, and wants a whole Spark.
    """
    main = sys.modules["__main__"]
    nameless = getattr(main, "__spec__", None) is None and not hasattr(main, "__file__")
    if nameless:
        main.__file__ = "-c"
    try:
        from pyspark.sql.connect import utils
        from pyspark.sql.connect.session import SparkSession
    finally:
        if nameless:
            del main.__file__
    if nameless:
        # Modules that are imported later ask again.
        utils.check_dependencies = lambda *_: None
    return SparkSession


def _to(url: str, builder):
    """Lets a builder connect to this address, which has a token."""
    from pyspark.sql.connect.client import core

    if hasattr(core, "DefaultChannelBuilder"):
        return builder.config("spark.remote", url)
    import grpc

    class Local(core.ChannelBuilder):
        """PySpark 3.5 would use TLS wherever there is a token."""

        def toChannel(self):
            token = grpc.access_token_call_credentials(self.params[self.PARAM_TOKEN])
            credentials = grpc.composite_channel_credentials(grpc.local_channel_credentials(), token)
            return grpc.secure_channel(self.endpoint, credentials, options=self._channel_options)

    return builder.channelBuilder(Local(url))


def _connected(sessions) -> bool:
    found = (sessions.getActiveSession(), sessions._default_session)
    return any(session is not None and not session.is_stopped for session in found)


def _end_drivers_with(sessions) -> None:
    """Lets `stop()` of a session end its driver, as it ends the context in Spark."""
    original = sessions.stop
    if hasattr(original, "ends_driver"):
        return

    @functools.wraps(original)
    def stop(self):
        endpoint = _endpoint(self)
        if endpoint in _inherited:
            return
        own = driver()
        original(self)
        if own is not None and own.endpoint == endpoint:
            own.end()

    stop.ends_driver = True
    sessions.stop = stop


def _endpoint(session):
    return getattr(getattr(session._client, "_builder", None), "endpoint", None)


class Driver:
    """A driver that belongs to this process."""

    def __init__(self, options: dict) -> None:
        self.sessions = weakref.WeakSet()
        self._ending = False
        # It gets its own process group: Ctrl-C on the terminal is for the program, which may go on.
        self._process = subprocess.Popen([command(), "session"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        try:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(_request(options)).encode() + b"\n")
                self._process.stdin.flush()
            line = self._process.stdout.readline()
            self._process.stdout.close()
            answer = json.loads(line) if line.endswith(b"\n") else {"error": "it ended without an answer"}
            if "error" in answer:
                raise _error(f"the driver did not start: {answer['error']}")
        except BaseException:
            self.end()
            raise
        self.url, self.application, self.files = answer["url"], answer["application"], answer["files"]
        self.endpoint = self.url[len("sc://") :].split("/")[0]
        threading.Thread(target=self._watch, name="firesteel-driver", daemon=True).start()

    def runs(self) -> bool:
        return not self._ending and self._process.poll() is None

    def end(self) -> None:
        """Ends it, and waits until it and everything that it started has ended."""
        self._ending = True
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close_sessions()

    def forget(self) -> None:
        """Leaves it to the process that started it: this one is a fork of that."""
        self._ending = True
        self._process.stdin.close()
        # Nothing to wait for.
        self._process.returncode = 0

    def _watch(self) -> None:
        """Fails what waits for a driver that has ended by itself."""
        code = self._process.wait()
        if self._ending:
            return
        print(f"firesteel: the driver has ended, with exit code {code}", file=sys.stderr)
        self._close_sessions()

    def _close_sessions(self) -> None:
        for session in list(self.sessions):
            client = session._client
            with contextlib.suppress(Exception):
                client._closed = True
                client._channel.close()


def _request(options: dict) -> dict:
    conf = {key: str(value) for key, value in options.items() if key not in _NOT_SETTINGS}
    flags = shlex.split(os.environ.get("PYSPARK_SUBMIT_ARGS", ""))
    if flags[-1:] == ["pyspark-shell"]:
        flags.pop()
    if "MASTER" in os.environ and "--master" not in flags:
        conf.setdefault("spark.master", os.environ["MASTER"])
    if "--name" not in flags:
        conf.setdefault("spark.app.name", _name())
    return {
        "parent": os.getpid(),
        "python": sys.executable or "python3",
        "pythonPath": _module_directories(),
        "arguments": flags,
        "conf": conf,
    }


def _name() -> str:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.basename(file) if file else "pyspark-shell"


def _module_directories() -> list:
    """The directory of the program, whose modules its functions may import."""
    first = sys.path[0] if sys.path and not getattr(sys.flags, "safe_path", False) else None
    return [os.path.abspath(first)] if first is not None and os.path.isdir(first or ".") else []


def _error(message: str) -> Exception:
    from pyspark.errors import PySparkRuntimeError

    return PySparkRuntimeError(message)


def _end() -> None:
    """Ends the driver of a program that does not stop its session."""
    own = driver()
    if own is None:
        return
    for session in list(own.sessions):
        with contextlib.suppress(Exception):
            session.stop()
    if own.runs():
        own.end()


def _at_exit() -> None:
    """Registers what has to come before the threads of the client are waited for."""
    global _is_registered
    if not _is_registered and hasattr(threading, "_register_atexit"):
        _is_registered = True
        threading._register_atexit(_end_interrupted)


def _end_interrupted() -> None:
    """Ends the driver of a program that ends by Ctrl-C.

    If that came in the middle of a call, gRPC may have left a lock behind, for which everything that uses the channel waits for ever.
    """
    own = driver()
    if own is None or getattr(sys, "last_type", None) is not KeyboardInterrupt:
        return
    for session in list(own.sessions):
        _silence(session._client)
    own.sessions.clear()
    own.end()
    timer = threading.Timer(INTERRUPTED_SECONDS, _exit)
    timer.daemon = True
    timer.start()


def _exit() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(INTERRUPTED_CODE)


def _silence(client) -> None:
    """Keeps a client from calling anybody, at the exit or when it is deleted."""
    if hasattr(client, "_on_exit"):
        atexit.unregister(client._on_exit)
    client._closed = True
    client.close = lambda *_: None


def _forget() -> None:
    """Makes a forked child independent: its parent's driver and sessions are not its own."""
    global _lock, _driver
    _lock = threading.RLock()
    connect = sys.modules.get("pyspark.sql.connect.session")
    if connect is None:
        return
    sessions = {connect.SparkSession._default_session, getattr(connect.SparkSession._active_session, "session", None)}
    if _driver is not None:
        sessions.update(_driver.sessions)
        _inherited.add(_driver.endpoint)
        _driver.forget()
        _driver = None
    for session in sessions - {None}:
        # It would wait for threads that only the parent has.
        _silence(session._client)
    connect.SparkSession._default_session = None
    connect.SparkSession._active_session = threading.local()
    connect.SparkSession._lock = threading.RLock()


atexit.register(_end)
os.register_at_fork(after_in_child=_forget)
