"""A network of namespaces whose packets pass through this process, which loses, delays, repeats and damages them as it is told."""

import contextlib
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True)


class Link:
    """What happens to packets of one direction between two nodes."""

    def __init__(self, loss=0.0, delay=0.0, repeat=0.0, damage=0.0):
        self.loss, self.delay, self.repeat, self.damage = loss, delay, repeat, damage


CUT = Link(loss=1.0)


class Switch:
    """Node 0 is this machine; the others are namespaces, in which `prefix(node)` runs a command."""

    def __init__(self, nodes, seed):
        self.rng, self.net, self.tag = random.Random(seed), f"10.213.{os.getpid() % 250}", f"f{os.getpid()}"
        self.links, self.files, self.waiting, self.count = {}, [], [], 0
        self.nodes, self.stopped = nodes, threading.Event()
        self.passed = self.lost = 0

    def __enter__(self):
        try:
            for node in range(self.nodes + 1):
                self.add(node)
        except BaseException:
            self.__exit__()
            raise
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def add(self, node):
        device = f"{self.tag}{node}"
        file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        self.files.append(file)
        fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TUN | IFF_NO_PI))
        within = []
        if node:
            ip("netns", "add", self.space(node))
            ip("link", "set", device, "netns", self.space(node))
            within = ["-n", self.space(node)]
            ip(*within, "link", "set", "lo", "up")
        ip(*within, "link", "set", device, "mtu", 9000, "up")
        ip(*within, "addr", "add", f"{self.address(node)}/24", "dev", device)

    def space(self, node):
        return f"{self.tag}n{node}"

    def address(self, node):
        return f"{self.net}.{node + 1}"

    def prefix(self, node):
        return ["ip", "netns", "exec", self.space(node)]

    def set(self, first, second, link):
        """Changes one direction; `None` for a good one."""
        self.links[first, second] = link

    def both(self, first, second, link):
        self.set(first, second, link)
        self.set(second, first, link)

    def alone(self, node, link):
        """Changes all links of a node."""
        for other in range(self.nodes + 1):
            if other != node:
                self.both(node, other, link)

    def run(self):
        while not self.stopped.is_set():
            wait = max(0, min(0.05, self.waiting[0][0] - time.monotonic())) if self.waiting else 0.05
            for file in select.select(self.files, [], [], wait)[0]:
                with contextlib.suppress(BlockingIOError):
                    for _ in range(64):
                        self.take(os.read(file, 65536))
            while self.waiting and self.waiting[0][0] <= time.monotonic():
                _, _, node, packet = heapq.heappop(self.waiting)
                self.give(node, packet)

    def take(self, packet):
        # Version 4, and within this network.
        if len(packet) < 20 or packet[0] >> 4 != 4 or not 1 <= packet[19] <= self.nodes + 1:
            return
        source, sink = packet[15] - 1, packet[19] - 1
        link = self.links.get((source, sink))
        if link is None:
            self.give(sink, packet)
            return
        if self.rng.random() < link.loss:
            self.lost += 1
            return
        if self.rng.random() < link.damage:
            at = self.rng.randrange(20, len(packet))
            packet = packet[:at] + bytes([packet[at] ^ 0xFF]) + packet[at + 1:]
        for _ in range(2 if self.rng.random() < link.repeat else 1):
            self.count += 1
            heapq.heappush(self.waiting, (time.monotonic() + link.delay * self.rng.uniform(0.5, 1.5), self.count, sink, packet))

    def give(self, node, packet):
        self.passed += 1
        with contextlib.suppress(OSError):
            os.write(self.files[node], packet)

    def __exit__(self, *_):
        self.stopped.set()
        if hasattr(self, "thread"):
            self.thread.join()
        for file in self.files:
            os.close(file)
        for node in range(1, len(self.files)):
            subprocess.run(["ip", "netns", "del", self.space(node)], check=False)
