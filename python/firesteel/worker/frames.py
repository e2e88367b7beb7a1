"""Frames on the data socket of a worker.

A frame is a header of 16 bytes and a payload. Payloads are received into buffers that Arrow reads without a copy, and a
frame is written with one system call unless the socket is full.
"""

from __future__ import annotations

import array
import mmap
import os
import socket
import struct
from typing import NamedTuple, Optional

import pyarrow as pa

TASK = ord("T")
SCHEMA = ord("S")
BATCH = ord("B")
MAPPED = ord("M")
GROUPS = ord("G")
NEXT_PAIR = ord("N")
END = ord("E")
FINISHED = ord("F")
FAILED = ord("X")

_HEADER = struct.Struct("<BBHIQ")
_ANCILLARY = socket.CMSG_SPACE(struct.calcsize("i"))
_EMPTY = pa.py_buffer(b"")


class Frame(NamedTuple):
    """A received frame."""

    kind: int
    input: int
    extra: int
    payload: pa.Buffer


class Channel:
    """The data socket: frames in, frames out."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def receive(self) -> Optional[Frame]:
        """Waits for a frame; none at the end of the stream."""
        header, ancillary, _, _ = self._socket.recvmsg(_HEADER.size, _ANCILLARY)
        if not header:
            return None
        while len(header) < _HEADER.size:
            header += self._more(_HEADER.size - len(header))
        kind, which, _, extra, length = _HEADER.unpack(header)
        if kind == MAPPED:
            return Frame(BATCH, which, extra, _mapped(ancillary, length))
        return Frame(kind, which, extra, self._payload(length) if length else _EMPTY)

    def send(self, kind: int, which: int = 0, extra: int = 0, parts: tuple = ()) -> None:
        """Writes a frame whose payload is the concatenation of `parts`."""
        views = [memoryview(part) for part in parts]
        header = _HEADER.pack(kind, which, 0, extra, sum(view.nbytes for view in views))
        views.insert(0, memoryview(header))
        sent = self._socket.sendmsg(views)
        for view in views:
            if sent >= view.nbytes:
                sent -= view.nbytes
            else:
                self._socket.sendall(view[sent:])
                sent = 0

    def _more(self, length: int) -> bytes:
        data = self._socket.recv(length, socket.MSG_WAITALL)
        if not data:
            raise EOFError("the executor closed the connection within a frame")
        return data

    def _payload(self, length: int) -> pa.Buffer:
        buffer = pa.allocate_buffer(length)
        view = memoryview(buffer).cast("B")
        while view:
            received = self._socket.recv_into(view, 0, socket.MSG_WAITALL)
            if not received:
                raise EOFError("the executor closed the connection within a frame")
            view = view[received:]
        return buffer


def _mapped(ancillary: list, length: int) -> pa.Buffer:
    """Maps the memory file whose descriptor came with a header."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors = array.array("i")
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
            try:
                if length == 0:
                    return _EMPTY
                return pa.py_buffer(mmap.mmap(descriptors[0], length, prot=mmap.PROT_READ))
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
    raise EOFError("a frame of kind M came without its descriptor")
