#!/usr/bin/env python3
"""Many hostile connections to a port of this machine, from one process.

usage: flood.py PORT COUNT hold|trickle|reset

A line of JSON on standard input says what each of them sends: {"first": TEXT, "repeated": TEXT, "times": N}.
hold: all of it, and then nothing, and reads nothing.
trickle: "first", and then a byte of "repeated" every 50 ms.
reset: "first", and then a reset; at once again, for as long as the process runs.
Prints a line once the connections are open and take no more. Ends with its standard input, having printed another:
{"sent": BYTES, "rounds": N, "statuses": {"503": 12}, "retry_after": N}, of what was answered until then.
"""

import errno
import json
import re
import resource
import select
import socket
import struct
import sys
import time

TRICKLE_SECONDS = 0.05
QUIET_SECONDS = 0.3
RESET = struct.pack("ii", 1, 0)
AGAIN = (errno.EAGAIN, errno.EINPROGRESS)


class Connection:
    def __init__(self, port, first, repeated, times):
        self.socket = socket.socket()
        self.socket.setblocking(False)
        # So that answers which nobody reads stay in the server, and not in the kernel's buffers.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
        self.socket.connect_ex(("127.0.0.1", port))
        self.first = first
        self.repeated = repeated
        self.total = len(first) + len(repeated) * times
        self.sent = 0
        self.is_gone = False

    def bytes_from(self, at, length):
        """What comes there: the repeated part is never laid out as a whole."""
        if at < len(self.first):
            return self.first[at : at + length]
        offset = (at - len(self.first)) % len(self.repeated)
        piece = self.repeated[offset:] + self.repeated * (length // len(self.repeated) + 1)
        return piece[: min(length, self.total - at)]

    def send(self, length):
        """How many bytes went."""
        if self.is_gone or self.sent >= self.total:
            return 0
        try:
            count = self.socket.send(self.bytes_from(self.sent, length))
        except OSError as error:
            self.is_gone = error.errno not in AGAIN
            return 0
        self.sent += count
        return count

    def receive(self):
        """What has come: a refusal is the last of it, and short."""
        try:
            return self.socket.recv(65536)
        except OSError:
            return b""


def is_over():
    """Standard input has ended."""
    readable, _, _ = select.select([sys.stdin], [], [], 0)
    return bool(readable) and sys.stdin.readline() == ""


def hold(connections):
    quiet_since = time.monotonic()
    announced = False
    while not is_over():
        if sum(connection.send(65536) for connection in connections) > 0:
            quiet_since = time.monotonic()
        elif not announced and time.monotonic() - quiet_since > QUIET_SECONDS:
            announced = True
            print("{}", flush=True)
        time.sleep(0.01)


def trickle(connections):
    announced = False
    while not is_over():
        for connection in connections:
            connection.send(1 if connection.sent >= len(connection.first) else len(connection.first))
        if not announced and all(one.sent > len(one.first) or one.is_gone for one in connections):
            announced = True
            print("{}", flush=True)
        time.sleep(TRICKLE_SECONDS)


def reset(make, count):
    """Opens and resets that many at once, over and over; how often."""
    rounds = 0
    while not is_over():
        connections = [make() for _ in range(count)]
        time.sleep(0.002)
        for connection in connections:
            connection.send(65536)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.socket.close()
        rounds += 1
        if rounds == 1:
            print("{}", flush=True)
    return rounds


def main():
    port, count, mode = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    script = json.loads(sys.stdin.readline())
    first = script.get("first", "").encode("latin1")
    repeated = script.get("repeated", "").encode("latin1")

    def make():
        return Connection(port, first, repeated, script.get("times", 0))

    rounds, connections = 1, []
    if mode == "reset":
        rounds = reset(make, count)
    else:
        for _ in range(count):
            connections.append(make())
            if len(connections) % 100 == 0:
                time.sleep(0.01)  # the server accepts meanwhile
        {"hold": hold, "trickle": trickle}[mode](connections)
    received = [connection.receive() for connection in connections]
    statuses = {}
    for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", b"".join(received)):
        statuses[status.decode()] = statuses.get(status.decode(), 0) + 1
    retry_after = sum(b"\r\nRetry-After: 1\r\n" in one for one in received)
    sent = sum(connection.sent for connection in connections)
    print(json.dumps({"sent": sent, "rounds": rounds, "statuses": statuses, "retry_after": retry_after}), flush=True)


main()
