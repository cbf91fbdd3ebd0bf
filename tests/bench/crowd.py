"""Many WebSocket clients in one process that cost little: `python tests/bench/crowd.py PLAN` with a plan as JSON (see `Plan`).

Frames are counted by their headers alone, but for those of a sample, which are read whole for latencies. Prints what was seen as JSON.
"""

import asyncio
import json
import os
import socket
import sys
import time
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

HEAD_BYTES = 2048
"""Of the newest frame, which hold the resume token."""


class Group(msgspec.Struct):
    """Clients of one subscription; `sampled` of them are read whole, `stopped` ones stop reading once they joined."""

    clients: int
    join: Any = None
    sampled: int = 0
    stopped: int = 0


class Plan(msgspec.Struct):
    """Whom to connect to, for how long. With `returns`, clients whose connection broke come back at once with their token."""

    port: int
    seconds: float
    groups: list[Group]
    path: str = "/api/ws"
    returns: bool = False
    gap_seconds: float = 0.002


class Seen:
    """What all clients saw."""

    def __init__(self) -> None:
        self.frames = self.bytes = self.closed = self.resyncs = self.errors = self.joined = self.deltas = 0
        self.latencies: list[float] = []
        self.began = time.time()
        self.resumed: list[float] = []
        self.measuring = True


class Client(asyncio.Protocol):
    """One WebSocket."""

    def __init__(self, group: Group, *, sampled: bool, stops: bool, seen: Seen, token: str | None = None) -> None:
        self.group, self.sampled, self.stops, self.seen, self.token = group, sampled, stops, seen, token
        self.pending = b""
        self.left = 0
        self.parts: list[bytes] = []
        self.opcode = 0
        self.size = 0
        self.head = self.newest = b""
        self.open = False
        self.updated = False
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: set[str] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(
            b"GET /api/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        if not self.gone.done():
            self.gone.set_result(None)

    def send(self, opcode: int, payload: bytes) -> None:
        """A masked frame with a mask of zeros."""
        size = len(payload)
        head = bytes((0x80 | opcode, 0x80 | size)) if size < 126 else bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2)
        self.transport.write(head + b"\0\0\0\0" + payload)

    def join(self) -> None:
        if self.group.join is not None:
            data = self.group.join | {"since": self.token}
            self.send(1, json.dumps({"event": "join_task_monitoring", "data": data}).encode())

    def data_received(self, data: bytes) -> None:
        if self.pending:
            data, self.pending = self.pending + data, b""
        at = 0
        if not self.open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.pending = data
                return
            if b" 101 " not in data[:32]:
                self.seen.errors += 1
                self.transport.abort()
                return
            self.open, at = True, end + 4
            self.join()
        self.frames_of(data, at)

    def frames_of(self, data: bytes, at: int) -> None:
        size = len(data)
        while at < size:
            if not self.left:
                if (begin := self.begin(data, at)) is None:
                    self.pending = data[at:]
                    return
                at = begin
            took = min(self.left, size - at)
            if self.sampled or self.opcode != 1:
                self.parts.append(data[at : at + took])
            elif took and len(self.head) < HEAD_BYTES:
                self.head += data[at : min(at + took, at + HEAD_BYTES)]
            self.left -= took
            at += took
            if not self.left:
                self.end()

    def begin(self, data: bytes, at: int) -> int | None:
        if len(data) - at < 2:
            return None
        size, more = data[at + 1], 0
        if size >= 126:
            more = 2 if size == 126 else 8
            if len(data) - at < 2 + more:
                return None
            size = int.from_bytes(data[at + 2 : at + 2 + more])
        self.opcode, self.left, self.size, self.head = data[at] & 15, size, size, b""
        if not size:
            self.end()
        return at + 2 + more

    def end(self) -> None:
        payload, self.parts = b"".join(self.parts), []
        if self.opcode == 9:
            self.send(10, payload)
        elif self.opcode == 8:
            self.transport.close()
        elif self.opcode == 1:
            self.seen.frames += 1
            self.seen.bytes += self.size
            self.text(payload if self.sampled else self.head)

    def text(self, payload: bytes) -> None:
        seen = self.seen
        if payload.startswith(b'{"event":"task_updates"'):
            if not self.updated:
                self.updated = True
                seen.joined += 1
                seen.resumed.append(time.time())
                seen.deltas += b'"kind":"delta"' in payload[:80]
                if self.stops:
                    self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
                    self.transport.pause_reading()
            self.newest = payload[:HEAD_BYTES]
            if self.sampled and seen.measuring:
                self.look(payload)
        elif payload.startswith(b'{"event":"resync"'):
            seen.resyncs += 1
        elif payload.startswith(b'{"event":"error"'):
            seen.errors += 1

    def look(self, payload: bytes) -> None:
        now = time.time()
        for task in msgspec.json.decode(payload)["data"].get("upsert", ()):
            ended = task.get("finished_at")
            if ended and task["key"] not in self.ended:
                self.ended.add(task["key"])
                at = datetime.fromisoformat(ended).timestamp()
                if at >= self.seen.began:
                    self.seen.latencies.append((now - at) * 1000)

    def newest_token(self) -> str | None:
        found = self.newest.find(b'"position":"')
        return self.newest[found + 12 : self.newest.index(b'"', found + 12)].decode() if found >= 0 else self.token


async def keep(plan: Plan, group: Group, number: int, seen: Seen, clients: dict[int, Client]) -> None:
    """One client for as long as the plan says."""
    loop = asyncio.get_running_loop()
    token = None
    while True:
        made = Client(
            group,
            sampled=number % 1000 < group.sampled,
            stops=number % 1000 >= group.clients - group.stopped,
            seen=seen,
            token=token,
        )
        try:
            await loop.create_connection(partial(_same, made), "127.0.0.1", plan.port)
        except OSError:
            await asyncio.sleep(0.25)
            continue
        clients[number] = made
        await made.gone
        seen.closed += 1
        if not plan.returns:
            return
        token = made.newest_token()
        await asyncio.sleep(0.05)


def _same(made: Client) -> Client:
    return made


async def crowd(plan: Plan) -> dict[str, Any]:
    """Connect, say so on a line, run from the next line of stdin on for the plan's seconds."""
    seen, clients, keeping = Seen(), dict[int, Client](), []
    for index, group in enumerate(plan.groups):
        for number in range(group.clients):
            keeping.append(asyncio.create_task(keep(plan, group, index * 1000 + number, seen, clients)))
            await asyncio.sleep(plan.gap_seconds)
    wanted = sum(group.clients for group in plan.groups)
    while seen.joined < wanted and any(group.join is not None for group in plan.groups):  # noqa: ASYNC110 - many set it
        await asyncio.sleep(0.05)
    print(json.dumps({"joined": seen.joined}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    fresh(seen)
    cpu = os.times()
    await asyncio.sleep(plan.seconds)
    seen.measuring, used = False, os.times()
    result = {
        "frames": seen.frames,
        "bytes": seen.bytes,
        "closed": seen.closed,
        "resyncs": seen.resyncs,
        "errors": seen.errors,
        "latencies": sorted(seen.latencies),
        "resumed": sorted(seen.resumed),
        "deltas": seen.deltas,
        "cpu": used.user + used.system - cpu.user - cpu.system,
    }
    for task in keeping:
        task.cancel()
    return result


def fresh(seen: Seen) -> None:
    """Count anew."""
    seen.frames = seen.bytes = seen.closed = seen.resyncs = seen.errors = seen.deltas = 0
    seen.latencies, seen.resumed, seen.began = [], [], time.time()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(crowd(msgspec.json.decode(sys.argv[1], type=Plan)))))
