"""What a function asks the executor for while it runs: files by hash, and barriers.

`opened(hash)` is for large closures and data, `value(hash, read)` for broadcast values, which a process reads once. The executor removes the file of a
blob that the program drops; what this process has of it goes before the next task.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from typing import Any, BinaryIO, Callable, Dict, Optional

_LENGTH = struct.Struct("<I")
_lock = threading.Lock()
_socket: Optional[socket.socket] = None
_paths: Dict[str, str] = {}
_values: Dict[str, Any] = {}


class RequestError(RuntimeError):
    """The executor could not do what a function asked for."""


def path(hash: str) -> str:
    """The path of a local file with the blob of this hash."""
    found = _paths.get(hash)
    if found is None:
        found = _paths[hash] = request({"blob": hash})["path"]
    return found


def opened(hash: str, buffering: int = -1) -> BinaryIO:
    """The file of a blob, open for reading."""
    try:
        return open(path(hash), "rb", buffering)
    except FileNotFoundError:
        # It was dropped since this process asked for it: the executor gets it again.
        _paths.pop(hash, None)
        return open(path(hash), "rb", buffering)


def value(hash: str, read: Callable[[BinaryIO], Any]) -> Any:
    """What `read` makes of a blob's file; once for this process."""
    if hash not in _values:
        with opened(hash) as file:
            _values[hash] = read(file)
    return _values[hash]


def forget_dropped() -> None:
    """Forgets blobs whose files have been removed."""
    for hash in [hash for hash, known in _paths.items() if not os.path.exists(known)]:
        del _paths[hash]
        _values.pop(hash, None)


def request(message: dict) -> dict:
    """Sends a request to the executor and waits for the answer."""
    if _socket is None:
        raise RequestError("requests to the executor are only possible in a worker")
    data = json.dumps(message).encode()
    # Functions may use threads; answers come in the order of requests.
    with _lock:
        _socket.sendall(_LENGTH.pack(len(data)) + data)
        length = _LENGTH.unpack(_receive(_LENGTH.size))[0]
        answer = json.loads(_receive(length))
    if "error" in answer:
        raise RequestError(answer["error"])
    return answer


def connect(sock: socket.socket) -> None:
    """Sets the socket of this process."""
    global _socket
    _socket = sock


def _receive(length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = _socket.recv(length - len(data))
        if not more:
            raise RequestError("the executor closed the connection for requests")
        data += more
    return data
