"""A node that exists only as an object, with a fake kubelet that serves container logs to the API server, so that a test controls the
output, its timestamps and timing, and when a connection breaks."""

import contextlib
import http.server
import ssl
import subprocess
import threading
import urllib.parse
from datetime import datetime, timedelta, timezone

BEGAN = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Kubelet:
    """Serves `lines` to every client. A line's timestamp is `BEGAN` plus its number in milliseconds."""

    def __init__(self, name, port):
        self.name, self.port = name, port
        self.changed = threading.Condition()
        self.lines, self.ended, self.breaks, self.requests, self.failures = [], False, [], [], 0

    def say(self, *lines):
        with self.changed:
            self.lines += lines
            self.changed.notify_all()

    def end(self):
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def break_after(self, number):
        """Breaks the next connection after this many lines."""
        self.breaks.append(number)

    def fail(self, times):
        """Answers the next requests with an error."""
        self.failures = times

    def node(self):
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
        }
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}, "status": status}

    def _answer(self, handler):
        asked = urllib.parse.urlsplit(handler.path)
        options = {key: values[0] for key, values in urllib.parse.parse_qs(asked.query).items()}
        self.requests.append((asked.path, options))
        if self.failures:
            self.failures -= 1
            handler.send_error(500, "not now")
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        # As in a real kubelet, `sinceTime` has a resolution of seconds.
        since = datetime.fromisoformat(options["sinceTime"].replace("Z", "+00:00")).replace(microsecond=0) if "sinceTime" in options else BEGAN
        limit = self.breaks.pop(0) if self.breaks else None
        # A connection belongs to one container: if a test replaces `lines`, they belong to a later one.
        lines = self.lines
        at = max(0, len(lines) - int(options["tailLines"])) if "tailLines" in options else 0
        sent = 0
        while True:
            with self.changed:
                while at == len(lines) and not self.ended and options.get("follow") == "true":
                    self.changed.wait(timeout=60)
                if at == len(lines):
                    break
                new, first = lines[at:], at
                at = len(lines)
            for number, line in enumerate(new, first):
                time = BEGAN + timedelta(milliseconds=number)
                if time < since:
                    continue
                if sent == limit:
                    handler.wfile.flush()
                    handler.connection.shutdown(2)
                    return
                text = f"{time:%Y-%m-%dT%H:%M:%S.%f}000Z {line}\n".encode()
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
                sent += 1
            handler.wfile.flush()
        handler.wfile.write(b"0\r\n\r\n")


@contextlib.contextmanager
def serving(name, directory):
    """Runs a fake kubelet for the duration of the block."""
    certificate, key = directory / "kubelet.crt", directory / "kubelet.key"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", *subject]
    subprocess.run([*argv, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            with contextlib.suppress(OSError):
                kubelet._answer(self)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    kubelet = Kubelet(name, server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield kubelet
    finally:
        kubelet.end()
        server.shutdown()
        server.server_close()
