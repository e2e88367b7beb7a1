"""Blobs on their way to the driver. The client's own way sends them in pieces of 32 KiB, which takes longer than all else."""

import hashlib
import zlib

from pyspark.errors import PySparkRuntimeError
from pyspark.sql.connect import proto

#: Bytes of a piece: less than the smallest message that a server takes by default (4 MiB).
PIECE = 2 << 20


def upload(client, blobs):
    """Sends what the session does not have yet, and returns the hashes of all."""
    hashes = [hashlib.sha256(blob).hexdigest() for blob in blobs]
    try:
        for attempt in client._retrying():
            with attempt:
                _upload(client._artifact_manager, dict(zip(hashes, blobs)))
    except Exception as failure:
        client._handle_error(failure)
    return hashes


def _upload(manager, named):
    asked = proto.ArtifactStatusesRequest(
        user_context=manager._user_context, session_id=manager._session_id, names=[_name(hash) for hash in named]
    )
    known = manager._stub.ArtifactStatus(asked, metadata=manager._metadata).statuses
    missing = {hash: blob for hash, blob in named.items() if not known[_name(hash)].exists}
    if missing:
        sent = manager._retrieve_responses(_requests(manager, missing))
        damaged = [one.name for one in sent.artifacts if not one.is_crc_successful]
        if damaged:
            raise PySparkRuntimeError(f"{damaged[0]} did not reach the driver as it was sent")


def _name(hash):
    return f"cache/{hash}"


def _requests(manager, blobs):
    message = proto.AddArtifactsRequest
    for hash, blob in blobs.items():
        starts = range(0, max(len(blob), 1), PIECE)
        for start in starts:
            piece = blob[start : start + PIECE]
            chunk = message.ArtifactChunk(data=piece, crc=zlib.crc32(piece))
            content = {"chunk": chunk}
            if start == 0:
                begun = message.BeginChunkedArtifact(
                    name=_name(hash), total_bytes=len(blob), num_chunks=len(starts), initial_chunk=chunk
                )
                content = {"begin_chunk": begun}
            yield message(session_id=manager._session_id, user_context=manager._user_context, **content)
