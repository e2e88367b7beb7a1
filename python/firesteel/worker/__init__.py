"""Python worker processes: `python -m firesteel.worker` is the fork server of an executor.

The protocol is docs/decisions/0014-python-workers.md. User functions may import `firesteel.worker.blobs`; all else is
internal.
"""
