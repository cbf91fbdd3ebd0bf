"""Compares three ways to hold 100,000 tasks for lists, searches and facets: `python tests/bench/holding.py [objects columns sqlite]`.

`objects`: one Python object a task in groups that agree in state, kind, name, queue and engine, each group sorted by update, and scans for
the rest. `columns`: numpy arrays of codes and times, masks, and bit signatures of trigrams for text. `sqlite`: a table in memory with
indices and FTS5 (trigram). Each way runs in a process of its own and keeps the same encoded bytes beside its index; what is measured of
memory is the index. docs/decisions/0009 has the figures.
"""

import bisect
import heapq
import random
import sqlite3
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import numpy as np
import psutil
from taskscope_shared import codec
from taskscope_shared.model import Engine, State, Task

COUNT, CHANGES, ROUNDS = 100_000, 2000, 40
STATES = [State.SUCCEEDED] * 95 + [State.FAILED] * 2 + [State.RUNNING, State.QUEUED, State.RESERVED]
FACETS = ("state", "kind", "name", "queue", "worker", "source")
SHARED = ("state", "kind", "name", "queue", "engine")


def tasks(count: int = COUNT, seed: int = 7) -> list[bytes]:
    """Encoded tasks as busy workers make them: 200 names, 20 workers, 300 B of different arguments, 300 B of result."""
    rng = random.Random(seed)
    words = [f"file-{rng.randrange(10**6)}.mp4" for _ in range(20_000)]
    return [codec.encode(_task(number, rng, words)) for number in range(count)]


def _task(number: int, rng: random.Random, words: list[str]) -> Task:
    state, name, at = rng.choice(STATES), rng.randrange(200), 1_700_000_000 + number * 0.002
    runtime = rng.lognormvariate(0, 2)
    return Task(
        str(uuid.UUID(int=rng.getrandbits(128))), "celery", Engine.CELERY, state, 1, number, f"bench.process_vod_{name}",
        ("vod", "transcription", "cleanup", "other")[name % 4], f"q{name % 5}", f"worker-{number % 20}@bench",
        at, at, at, at, None, None, at, 0.01, runtime, 0, 1, repr(tuple(rng.choices(words, k=16))), "{}", "r" * 300,
        "ValueError" if state is State.FAILED else None, "ValueError('no such file')" if state is State.FAILED else None,
    )  # fmt: skip


class Objects:
    """Groups of equal tasks in order of update; whatever else is wanted is looked for."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.groups: dict[tuple[Any, ...], list[tuple[float, str]]] = defaultdict(list)

    def put(self, packed: bytes) -> None:
        """Take a task."""
        task = codec.decode_task(packed)
        if (old := self.tasks.get(task.id)) is not None:
            group = self.groups[self._key(old)]
            del group[bisect.bisect_left(group, (old.updated_at, old.id))]
        bisect.insort(self.groups[self._key(task)], (task.updated_at, task.id))
        self.tasks[task.id] = task

    def _key(self, task: Task) -> tuple[Any, ...]:
        return tuple(getattr(task, field) for field in SHARED)

    def plain(self) -> int:
        """The newest 50."""
        list(zip(range(50), heapq.merge(*map(reversed, self.groups.values()), reverse=True), strict=False))
        return len(self.tasks)

    def filtered(self) -> int:
        """The newest 50 of a kind."""
        groups = [group for key, group in self.groups.items() if key[1] == "vod"]
        list(zip(range(50), heapq.merge(*map(reversed, groups), reverse=True), strict=False))
        return sum(map(len, groups))

    def by_runtime(self) -> int:
        """The longest 50 of a kind."""
        found = [task for task in self.tasks.values() if task.kind == "vod"]
        heapq.nlargest(50, found, key=lambda task: task.runtime_seconds or 0.0)
        return len(found)

    def text(self, word: str) -> int:
        """Those with a text."""
        return sum(word in f"{task.id}\n{task.args}\n{task.exception}".lower() for task in self.tasks.values())

    def facets(self) -> int:
        """Counts by six fields for a kind."""
        found = [task for task in self.tasks.values() if task.kind == "vod"]
        return sum(len(Counter(getattr(task, field) for task in found)) for field in FACETS)


class Columns:
    """Arrays of codes, times and signatures."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.packed: list[bytes] = []
        self.codes = {field: np.zeros(COUNT + CHANGES, np.int32) for field in FACETS}
        self.known: dict[str, dict[Any, int]] = {field: {} for field in FACETS}
        self.updated, self.runtime = np.zeros(COUNT + CHANGES), np.zeros(COUNT + CHANGES)
        self.writers = [(field, self.codes[field].data, self.known[field]) for field in FACETS]
        self.times: list[Any] = [self.updated.data, self.runtime.data]
        self.signatures = np.zeros((COUNT + CHANGES, 256), np.uint8)
        self.fresh: list[int] = []

    def put(self, packed: bytes) -> None:
        """Take a task."""
        task = codec.decode_task(packed)
        row = self.rows.setdefault(task.id, len(self.packed))
        if row == len(self.packed):
            self.packed.append(packed)
        self.packed[row] = packed
        for field, column, known in self.writers:
            column[row] = known.setdefault(getattr(task, field), len(known))
        self.times[0][row] = task.updated_at
        self.times[1][row] = -1.0 if task.runtime_seconds is None else task.runtime_seconds
        self.fresh.append(row)
        if len(self.fresh) >= 500:
            self.sign()

    def sign(self) -> None:
        """Set a bit for each trigram of the text."""
        rows, self.fresh = self.fresh, []
        texts = [self._text(row) for row in rows]
        blob = np.frombuffer(b"".join(texts), np.uint8).astype(np.uint32)
        owners = np.repeat(np.arange(len(rows)), [len(text) for text in texts])[:-2]
        bits = np.zeros((len(rows), 2048), bool)
        bits[owners, self._hashed(blob)] = True
        self.signatures[rows] = np.packbits(bits, axis=1, bitorder="little")

    def _hashed(self, text: Any) -> Any:
        return ((text[:-2] * 65599 + text[1:-1] * 257 + text[2:]) * 2654435761 & 0xFFFFFFFF) >> 21

    def _text(self, row: int) -> bytes:
        task = codec.decode_task(self.packed[row])
        return f"{task.id}\n{task.args}\n{task.exception}".lower().encode()

    def _newest(self, rows: Any, values: Any) -> Any:
        return rows[np.argpartition(-values, 50)[:50]] if len(values) > 50 else rows

    def plain(self) -> int:
        """The newest 50."""
        count = len(self.packed)
        self._newest(np.arange(count), self.updated[:count])
        return count

    def _of_kind(self) -> Any:
        return np.flatnonzero(self.codes["kind"][: len(self.packed)] == self.known["kind"]["vod"])

    def filtered(self) -> int:
        """The newest 50 of a kind."""
        rows = self._of_kind()
        self._newest(rows, self.updated[rows])
        return len(rows)

    def by_runtime(self) -> int:
        """The longest 50 of a kind."""
        rows = self._of_kind()
        self._newest(rows, self.runtime[rows])
        return len(rows)

    def text(self, word: str) -> int:
        """Those with a text: candidates by their signatures, then looked at."""
        if self.fresh:
            self.sign()
        rows = np.arange(len(self.packed))
        for bit in self._hashed(np.frombuffer(word.encode(), np.uint8).astype(np.uint32)).tolist():
            rows = rows[self.signatures[rows, bit >> 3] & (1 << (bit & 7)) != 0]
        return sum(word.encode() in self._text(row) for row in rows.tolist())

    def facets(self) -> int:
        """Counts by six fields for a kind."""
        rows = self._of_kind()
        return sum(int(np.count_nonzero(np.bincount(self.codes[field][rows]))) for field in FACETS)


class Sqlite:
    """A table in memory."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.execute(
            "create table t (row integer primary key, id text unique, state text, kind text, name text, queue text, worker text,"
            " source text, updated real, runtime real, packed blob)"
        )
        for index in ("updated", "kind, updated", "kind, runtime", "state, updated"):
            self.db.execute(f"create index '{index}' on t ({index})")
        self.db.execute("create virtual table f using fts5 (text, tokenize='trigram', content='', detail=none)")
        self.texts: dict[int, str] = {}
        self.db.execute("begin")

    def put(self, packed: bytes) -> None:
        """Take a task."""
        task = codec.decode_task(packed)
        (row,) = self.db.execute(
            "insert into t (id, state, kind, name, queue, worker, source, updated, runtime, packed) values (?,?,?,?,?,?,?,?,?,?)"
            " on conflict (id) do update set state=excluded.state, worker=excluded.worker, updated=excluded.updated,"
            " runtime=excluded.runtime, packed=excluded.packed returning row",
            (
                task.id,
                task.state,
                task.kind,
                task.name,
                task.queue,
                task.worker,
                task.source,
                task.updated_at,
                task.runtime_seconds,
                packed,
            ),
        ).fetchone()
        text, old = f"{task.id}\n{task.args}\n{task.exception}".lower(), self.texts.get(row)
        if text == old:
            return
        if old is not None:
            self.db.execute("insert into f (f, rowid, text) values ('delete', ?, ?)", (row, old))
        self.db.execute("insert into f (rowid, text) values (?, ?)", (row, text))
        self.texts[row] = text

    def _ask(self, what: str, values: tuple[object, ...] = ()) -> list[Any]:
        return self.db.execute(what, values).fetchall()

    def plain(self) -> int:
        """The newest 50."""
        self._ask("select packed from t order by updated desc limit 50")
        return int(self._ask("select count(*) from t")[0][0])

    def filtered(self) -> int:
        """The newest 50 of a kind."""
        self._ask("select packed from t where kind = 'vod' order by updated desc limit 50")
        return int(self._ask("select count(*) from t where kind = 'vod'")[0][0])

    def by_runtime(self) -> int:
        """The longest 50 of a kind."""
        self._ask("select packed from t where kind = 'vod' order by runtime desc limit 50")
        return int(self._ask("select count(*) from t where kind = 'vod'")[0][0])

    def text(self, word: str) -> int:
        """Those with a text."""
        rows = [
            row
            for (row,) in self._ask(
                "select rowid from f where f match ?", (" AND ".join(f'"{word[n : n + 3]}"' for n in range(len(word) - 2)),)
            )
        ]
        return sum(word in self.texts[row] for row in rows)

    def facets(self) -> int:
        """Counts by six fields for a kind."""
        return sum(
            len(self._ask("select FIELD, count(*) from t where kind = 'vod' group by 1".replace("FIELD", field)))
            for field in FACETS
        )


def measured(what: Callable[[], object], rounds: int = ROUNDS) -> str:
    """Median and worst of some calls."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        what()
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    return f"{took[len(took) // 2]:.2f} ms (max {took[-1]:.1f})"


def measure(way: Any) -> None:
    """Print what it costs to fill, to read and to change."""
    all_packed = tasks()
    bare = sum(map(len, all_packed)) if isinstance(way, Objects | Columns) else 0
    before = psutil.Process().memory_info().rss
    began = time.perf_counter()
    for packed in all_packed:
        way.put(packed)
    fill = time.perf_counter() - began
    memory = psutil.Process().memory_info().rss - before
    print(
        f"{type(way).__name__}: filled in {fill:.1f} s, {memory / COUNT:,.0f} B a task beside {bare / COUNT:,.0f} B of encoded ones"
    )
    rare = msgspec.msgpack.decode(all_packed[4711], type=Task).id[3:12]
    for name in ("plain", "filtered", "by_runtime", "facets"):
        print(f"  {name}: {measured(getattr(way, name))}")
    for name, word in (("text, one task", rare), ("text, some", "file-4711"), ("text, all", "file-")):
        print(f"  {name} ({way.text(word):,}): {measured(partial(way.text, word), 5)}")
    changed = [
        codec.encode(msgspec.structs.replace(codec.decode_task(one), updated_at=1_800_000_000 + n))
        for n, one in enumerate(all_packed[:CHANGES])
    ]
    began = time.perf_counter()
    for packed in changed:
        way.put(packed)
    print(f"  one change: {(time.perf_counter() - began) / CHANGES * 1e6:.1f} µs")


if __name__ == "__main__":
    ways = {"objects": Objects, "columns": Columns, "sqlite": Sqlite}
    if len(sys.argv) == 2:
        measure(ways[sys.argv[1]]())
    else:
        for name in sys.argv[1:] or ways:
            subprocess.run([sys.executable, __file__, name], check=True)
