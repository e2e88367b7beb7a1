"""A stand-in for the real workers: speaks their protocol with the standard library only, and does what tests ask for.

A task's header says what to do (`"do"`); what it finds out comes back as updates of accumulators.
"""

import json
import os
import select
import signal
import socket
import struct
import time

HEADER = struct.Struct("<BBHIQ")


def main():
    control = socket.socket(fileno=os.dup(0))
    # Workers must not hold it.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    workers, woken = set(), os.pipe()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for descriptor in woken:
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(woken[1], warn_on_full_buffer=False)
    while True:
        ready = select.select([control, woken[0]], [], [])[0]
        if woken[0] in ready:
            os.read(woken[0], 512)
            reap(control, workers)
        if control in ready:
            line, files, _, _ = socket.recv_fds(control, 4096, 3)
            if not line:
                break
            pid = os.fork()
            if pid == 0:
                control.close()
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.setpgid(0, 0)
                work(*files)
                os._exit(0)
            os.setpgid(pid, pid)
            workers.add(pid)
            for file in files:
                os.close(file)
            control.sendall(b'{"forked": %d}\n' % pid)
    for pid in workers:
        os.killpg(pid, signal.SIGKILL)


def reap(control, workers):
    while workers:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        workers.discard(pid)
        try:
            os.killpg(pid, signal.SIGKILL)
        except OSError:
            pass
        ended = {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {"code": os.WEXITSTATUS(status)}
        control.sendall(json.dumps({"exited": pid, **ended}).encode() + b"\n")


class Channel:
    def __init__(self, data, requests):
        self.data, self.requests = socket.socket(fileno=data), socket.socket(fileno=requests)

    def receive(self):
        header, files, _, _ = socket.recv_fds(self.data, HEADER.size, 1)
        if not header:
            os._exit(0)
        while len(header) < HEADER.size:
            header += self.data.recv(HEADER.size - len(header))
        kind, which, _, extra, length = HEADER.unpack(header)
        if kind == ord("M"):
            payload = os.pread(files[0], length, 0)
            os.close(files[0])
        else:
            payload = bytearray(length)
            view = memoryview(payload)
            while view:
                view = view[self.data.recv_into(view) :]
        return chr(kind), which, extra, payload

    def send(self, kind, payload=b"", extra=0, file=None):
        header = HEADER.pack(ord(kind), 0, 0, extra, len(payload))
        if file is None:
            self.data.sendall(header + payload)
        else:
            socket.send_fds(self.data, [header], [file])

    def finish(self, **found):
        text = json.dumps(found).encode()
        end = json.dumps({"accumulators": [[7, len(text)]]}).encode()
        self.send("F", end + text, len(end))

    def skip(self, inputs):
        while inputs:
            inputs -= self.receive()[0] == "E"

    def ask(self, text):
        self.requests.sendall(struct.pack("<I", len(text)) + text)
        length = struct.unpack("<I", self.requests.recv(4))[0]
        return json.loads(self.requests.recv(length))


def work(data, requests, output):
    os.dup2(output, 1)
    os.dup2(output, 2)
    channel = Channel(data, requests)
    while True:
        kind, _, extra, payload = channel.receive()
        assert kind == "T", kind
        task = json.loads(bytes(payload[:extra]))
        blobs = bytes(payload[extra:]).decode()
        globals()["do_" + task["do"]](channel, task, blobs)


def do_echo(channel, task, blobs):
    frames, open_inputs, seen = 0, task.get("inputs", 1), []
    while open_inputs:
        kind, which, _, payload = channel.receive()
        frames += 1
        if kind == "B" or kind == "M":
            if task.get("mapped"):
                file = os.memfd_create("batch")
                os.write(file, payload)
                channel.send("M", payload, file=file)
                os.close(file)
            else:
                channel.send("B", payload)
        elif kind == "S" and which == 0:
            channel.send("S", payload)
        elif kind == "E":
            open_inputs -= 1
        if kind not in "BS" and len(seen) < 20:
            words = list(struct.unpack("<%dI" % (len(payload) // 4), payload)) if kind == "G" else []
            seen.append([kind, which, *words])
    channel.finish(pid=os.getpid(), frames=frames, seen=seen, blobs=blobs)


def do_finish_early(channel, task, blobs):
    channel.finish(pid=os.getpid())
    channel.skip(1)


def do_sleep(channel, task, blobs):
    time.sleep(600)


def do_exit(channel, task, blobs):
    os.write(2, task.get("text", "").encode())
    os._exit(task["code"])


def do_kill(channel, task, blobs):
    os.write(2, b"Fatal Python error: Segmentation fault\n")
    os.kill(os.getpid(), task["signal"])


def do_print(channel, task, blobs):
    line = b"x" * 99 + b"\n"
    for _ in range(task["bytes"] // 10_000):
        os.write(2, line * 100)
    os.write(2, b"the last line\n")
    if "code" in task:
        os._exit(task["code"])
    do_echo(channel, task, blobs)


def do_send(channel, task, blobs):
    channel.data.sendall(bytes(task["bytes"]))
    channel.skip(1)


def do_raise(channel, task, blobs):
    channel.send("X", json.dumps(task["failure"]).encode())
    os._exit(1)


def do_ask(channel, task, blobs):
    answers = [channel.ask(text.encode()) for text in task["texts"]]
    channel.finish(answers=answers)
    channel.skip(1)


def do_family(channel, task, blobs):
    child = os.fork()
    if child == 0:
        time.sleep(3600)
    with open("family.new", "w") as file:
        file.write(f"{os.getpid()} {child} {os.getppid()}")
    os.rename("family.new", "family")
    if "code" in task:
        os._exit(task["code"])
    time.sleep(3600)


def do_environment(channel, task, blobs):
    channel.finish(environment=dict(os.environ), directory=os.getcwd(), pid=os.getpid(), server=os.getppid())
    channel.skip(1)


if __name__ == "__main__":
    main()
