"""The exact wire format of real prefork workers on a Redis broker, made fast enough to outrun a collector.

A task is one `task-sent` message of its producer, then its `task-received`, `task-started` and `task-succeeded` (or `task-failed`) in
`task.multi` messages of 12 events, as a busy worker's hub flushes them (celery.events.dispatcher, kombu.transport.redis). Bodies are
rendered once; what differs from task to task (ids, times, clocks) lies on base64's three-byte boundaries and is put in by joining bytes.
"""

import base64
import json
import random
from collections.abc import Iterator

TASKS_A_BATCH = 4
EVENTS_A_TASK = 4
_ID = "@@@@@@@@-@@@@-@@@@-@@@@-@@@@@@@@@@@@"
_TIME = "1111111111.111111 "
_CLOCK = "999999999"


def task_id(number: int) -> str:
    """A UUID-shaped id that tells which task of the run it is."""
    return f"{number:08x}-feed-4bee-8ace-{number:012x}"


def failing(number: int, share: float) -> bool:
    """Whether the task with this number fails: spread evenly, so that counts are known before."""
    return share > 0 and number % round(1 / share) == 0


class Template:
    """One rendered message: encoded pieces, and what goes between them."""

    def __init__(self, routing_key: str, hostname: str, body: str, slots: dict[str, str]) -> None:
        envelope = {
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"hostname": hostname},
            "properties": {
                "delivery_mode": 1,
                "delivery_info": {"exchange": "celeryev", "routing_key": routing_key},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": "6a0768e9-f64e-4c14-b25f-580f034e3849",
            },
        }
        pieces, self.slots = _split(body, slots)
        self.pieces = [base64.b64encode(piece.encode()) for piece in pieces]
        self.pieces[0] = b'{"body": "' + self.pieces[0]
        self.pieces[-1] += b'", ' + json.dumps(envelope).encode()[1:]
        self.size = sum(map(len, self.pieces)) + sum(len(slots[slot]) // 3 * 4 for slot in self.slots)

    def render(self, values: dict[str, bytes]) -> bytes:
        """The message with base64 `values` in its slots."""
        out = [self.pieces[0]]
        for slot, piece in zip(self.slots, self.pieces[1:], strict=True):
            out.append(values[slot])
            out.append(piece)
        return b"".join(out)


def _split(body: str, slots: dict[str, str]) -> tuple[list[str], list[str]]:
    """Cut `body` at its markers, padding each piece with JSON white space to a multiple of three bytes."""
    pieces: list[str] = []
    names: list[str] = []
    rest = body
    while True:
        found = [(rest.find(marker), name, marker) for name, marker in slots.items() if marker in rest]
        if not found:
            pieces.append(rest + " " * (-len(rest) % 3))
            return pieces, names
        at, name, marker = min(found)
        piece, rest = rest[:at], rest[at + len(marker) :]
        pieces.append(_pad(piece))
        names.append(name)


def _pad(piece: str) -> str:
    """White space goes after the last `", "` or `{`, where JSON allows it."""
    missing = -len(piece) % 3
    at = max(piece.rfind(", ") + 1, piece.rfind("{") + 1, piece.rfind("[") + 1)
    return piece[:at] + " " * missing + piece[at:]


def _marker(text: str, number: int) -> str:
    return text.replace("@", "ghijklmn"[number]) if "@" in text else text[:-1] + " "


class Traffic:
    """Endless traffic of `names` task names from `workers` workers; `args` and `result` take the given bytes each."""

    def __init__(
        self,
        *,
        names: int = 200,
        workers: int = 20,
        args: int = 300,
        result: int = 300,
        traceback: int = 8192,
        failures: float = 0.02,
        start: int = 0,
    ) -> None:
        rng = random.Random(7)
        self.failures = failures
        self.next = start
        self.clock = 100_000_000
        self.hosts = [f"worker-{number}@bench" for number in range(workers)]
        self.names = [f"bench.{('process_vod', 'transcribe', 'cleanup', 'report')[n % 4]}_{n}" for n in range(names)]
        words = [f"file-{rng.randrange(10**6)}.mp4" for _ in range(200)]
        self._args = "('" + " ".join(words)[: args - 4] + "',)"
        self._result = "'" + " ".join(words)[: result - 2] + "'"
        self._traceback = (
            "Traceback (most recent call last):\n" + ('  File "/app/tasks.py", line 1, in run\n    step()\n' * 400)[:traceback]
        )
        self._sent = [self._sent_template(name) for name in self.names]
        self._multi = {
            (n, failed): self._multi_template(n, failed)
            for n in range(0, names, TASKS_A_BATCH)
            for failed in range(-1, TASKS_A_BATCH)
        }

    def _sent_template(self, name: str) -> Template:
        body = {
            "hostname": "gen21094@bench", "utcoffset": 0.0, "pid": 21094, "clock": 1, "uuid": _marker(_ID, 0), "root_id": _marker(_ID, 0),
            "parent_id": None, "name": name, "args": self._args, "kwargs": "{}", "retries": 0, "eta": None, "expires": None,
            "queue": "bench", "exchange": "", "routing_key": "bench", "timestamp": "TIME", "type": "task-sent",
        }  # fmt: skip
        text = json.dumps(body).replace('"TIME"', _TIME)
        return Template("task.sent", "gen21094@bench", text, {"id0": _marker(_ID, 0), "time": _TIME})

    def _multi_template(self, first: int, failed: int) -> Template:
        host = self.hosts[first // TASKS_A_BATCH % len(self.hosts)]
        events = [
            event for n in range(TASKS_A_BATCH) for event in self._events(host, self.names[first + n], n, failed=failed == n)
        ]
        text = json.dumps(events).replace('"TIME"', _TIME)
        slots = {f"id{n}": _marker(_ID, n) for n in range(TASKS_A_BATCH)} | {"time": _TIME}
        for number in range(len(events)):
            text = text.replace('"CLOCK"', f"9999999{number:02d}", 1)
            slots[f"clock{number}"] = f"9999999{number:02d}"
        return Template("task.multi", host, text, slots)

    def _events(self, host: str, name: str, n: int, *, failed: bool) -> list[dict[str, object]]:
        ident = _marker(_ID, n)
        base = {"hostname": host, "utcoffset": 0.0, "pid": 4711, "clock": "CLOCK", "uuid": ident}
        received = base | {
            "name": name, "args": self._args, "kwargs": "{}", "root_id": ident, "parent_id": None, "retries": 0, "eta": None,
            "expires": None, "timestamp": "TIME", "type": "task-received",
        }  # fmt: skip
        started = base | {"timestamp": "TIME", "type": "task-started"}
        if failed:
            exception = {"exception": "ValueError('no such file')", "traceback": self._traceback}
            return [received, started, base | exception | {"timestamp": "TIME", "type": "task-failed"}]
        ended = {"result": self._result, "runtime": 0.01233006799998293, "timestamp": "TIME", "type": "task-succeeded"}
        return [received, started, base | ended]

    def batch(self, now: float) -> list[tuple[bytes, bytes]]:
        """The 16 events of the next four tasks, as (routing key, message): four `task.sent`, one `task.multi`."""
        first = self.next
        self.next += TASKS_A_BATCH
        name = first % len(self.names) // TASKS_A_BATCH * TASKS_A_BATCH
        values = {"time": base64.b64encode(f"{now:.6f} ".encode())}
        failed, out = -1, []
        for n in range(TASKS_A_BATCH):
            ident = base64.b64encode(task_id(first + n).encode())
            values[f"id{n}"] = ident
            if failing(first + n, self.failures):
                failed = n
            out.append((b"task.sent", self._sent[name + n].render({"id0": ident, "time": values["time"]})))
        for number in range(3 * TASKS_A_BATCH):
            self.clock += 1
            values[f"clock{number}"] = base64.b64encode(b"%d" % self.clock)
        out.append((b"task.multi", self._multi[name, failed].render(values)))
        return out

    def heartbeats(self, now: float) -> Iterator[tuple[bytes, bytes]]:
        """One heartbeat of each worker."""
        for host in self.hosts:
            self.clock += 1
            body = {
                "hostname": host, "utcoffset": 0.0, "pid": 4711, "clock": self.clock, "freq": 2.0, "active": 1, "processed": self.next,
                "loadavg": [0.6, 0.3, 0.2], "sw_ident": "py-celery", "sw_ver": "5.7.0", "sw_sys": "Linux", "timestamp": now,
                "type": "worker-heartbeat",
            }  # fmt: skip
            template = Template("worker.heartbeat", host, json.dumps(body), {})
            yield b"worker.heartbeat", template.render({})
