"""What a function asks the executor for while it runs: files by hash, and barriers.

`path(hash)` is for broadcast values and large closures. Each answer is kept for the life of the process.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from typing import Optional

_LENGTH = struct.Struct("<I")
_lock = threading.Lock()
_socket: Optional[socket.socket] = None
_paths: dict = {}


class RequestError(RuntimeError):
    """The executor could not do what a function asked for."""


def path(hash: str) -> str:
    """The path of a local file with the blob of this hash."""
    found = _paths.get(hash)
    if found is None:
        found = _paths[hash] = request({"blob": hash})["path"]
    return found


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
