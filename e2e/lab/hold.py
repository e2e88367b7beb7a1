"""Init process (PID 1) of a namespace: reaps orphaned processes, and exits when its parent exits.

It watches its standard input, a pipe from the parent; with `--detached` it does not, and must be killed by PID.
"""

import os
import select
import signal
import sys


def main():
    detached = "--detached" in sys.argv
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    print("ready", flush=True)
    os.close(1)
    while True:
        ready, _, _ = select.select([woken] if detached else [woken, 0], [], [])
        if woken in ready:
            os.read(woken, 4096)
            collect()
        if 0 in ready and not os.read(0, 4096):
            return


def collect():
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


main()
