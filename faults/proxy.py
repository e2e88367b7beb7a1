"""A TCP proxy in front of a process: it can hold what it gets, and cut its connections."""

import contextlib
import socket
import threading


class Proxy:
    def __init__(self, target):
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.open, self.sockets = threading.Event(), []
        self.open.set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.target)
                self.sockets += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self.forward, args=pair, daemon=True).start()

    def forward(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.open.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def hold(self):
        """From now on nothing gets through."""
        self.open.clear()

    def cut(self):
        """Ends all connections; what was held is lost."""
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.sockets = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.cut()
        self.open.set()
