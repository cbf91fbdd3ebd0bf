"""Publishes Celery traffic to a Redis broker at a given rate: `python tests/bench/generate.py --help`."""

import argparse
import json
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent))

from celery_wire import EVENTS_A_TASK, TASKS_A_BATCH, Traffic

SLICE_SECONDS = 0.005


def main() -> None:
    """Publish, then print what was sent as JSON."""
    parser = argparse.ArgumentParser(description="Publishes the events of busy prefork workers to a Redis broker, paced.")
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, default=2000, help="events a second (four a task)")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--tasks", type=int, help="stop after so many tasks instead")
    parser.add_argument("--start", type=int, default=0, help="number of the first task")
    parser.add_argument("--names", type=int, default=200)
    args = parser.parse_args()
    print(json.dumps(publish(args)))


def publish(args: argparse.Namespace) -> dict[str, float]:
    """Paced by a schedule, so that a slice that came late is made up for; `behind` says by how much at most."""
    url = urlsplit(args.url)
    connection = socket.create_connection((url.hostname, url.port))
    traffic = Traffic(names=args.names, start=args.start)
    a_batch = TASKS_A_BATCH * EVENTS_A_TASK
    batches = (args.tasks // TASKS_A_BATCH) if args.tasks else int(args.rate * args.seconds / a_batch)
    began = time.monotonic()
    beat, behind, done, published = 0.0, 0.0, 0, 0
    while done < batches:
        now = time.monotonic() - began
        due = min(batches, int(now * args.rate / a_batch) + 1)
        out: list[Any] = []
        if now >= beat:
            out.extend(traffic.heartbeats(time.time()))
            behind = max(behind, now - beat)
            beat += 2.0
        for _ in range(min(due - done, 200)):
            out.extend(traffic.batch(time.time()))
            done += 1
        if out:
            connection.sendall(b"".join(_publish(key, message) for key, message in out))
            published += len(out)
            _drain(connection, len(out))
        if done >= due:
            time.sleep(max(0.0, min(SLICE_SECONDS, (done * a_batch / args.rate) - (time.monotonic() - began))))
    took = time.monotonic() - began
    return {
        "tasks": done * TASKS_A_BATCH,
        "events": done * a_batch,
        "seconds": took,
        "rate": done * a_batch / took,
        "behind": behind,
    }


def _publish(key: bytes, message: bytes) -> bytes:
    channel = b"/0.celeryev/" + key
    return b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(channel), channel, len(message), message)


def _drain(connection: socket.socket, replies: int) -> None:
    while replies > 0:
        data = connection.recv(65536)
        if not data or b"-" in data:
            raise SystemExit(f"the broker said {data!r}")
        replies -= data.count(b"\r\n")


if __name__ == "__main__":
    main()
