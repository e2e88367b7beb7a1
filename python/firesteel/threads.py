"""Threads that inherit the properties and tags of the thread that starts them."""

import functools
import threading


def _context(session=None):
    from firesteel.context import SparkContext

    if session is not None:
        return SparkContext._of_session(session)
    active = SparkContext._active_spark_context
    return active if active is not None and not active._is_stopped else None


def _wrapped(function, context):
    """The function, with the properties that the current thread has now."""
    if context is None:
        return function
    attributes = context._thread_attributes()

    @functools.wraps(function)
    def inherited(*args, **kwargs):
        _activate(context._session)
        context._set_thread_attributes(attributes)
        return function(*args, **kwargs)

    return inherited


def _activate(session):
    """Makes the session the active one of this thread, which is where the stock client looks for it."""
    type(session)._set_default_and_active_session(session)


def inheritable_thread_target(f):
    """Wraps a thread's target. Takes the target, as Spark does, or a session, as the stock client does."""
    if hasattr(f, "client"):
        return lambda target: _wrapped(target, _context(f))
    return _wrapped(f, _context())


class InheritableThread(threading.Thread):
    """A thread that inherits properties and tags when it is started."""

    def __init__(self, target, *args, session=None, **kwargs):
        self._function = target
        self._session = session
        super().__init__(*args, target=target, **kwargs)

    def start(self):
        self._target = _wrapped(self._function, _context(self._session))
        return super().start()
