"""Analytics against a recomputation from a ledger of attempts, through the collector's rollups and every store."""

from collections import Counter
from math import ceil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.api import task
from support.ledger import Ledger
from support.stores import Backend
from taskscope_api.analytics.analysis import Analyst, Surroundings
from taskscope_api.analytics.cellar import Cellar
from taskscope_api.analytics.periods import Marks, cover
from taskscope_api.analytics.question import question
from taskscope_api.analytics.rows import Analytics, DurationsRow
from taskscope_api.analytics.tally import RELATIVE_ERROR
from taskscope_shared.cells import OUTCOMES
from taskscope_shared.clock import ManualClock
from taskscope_shared.corrected import DAYS_FIELD
from taskscope_shared.model import Attempt, State, Task
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.store import Store
from taskscope_shared.testing import MemoryStore

START = 1_800_000_000 // 3600 * 3600 + 1234.0
NAMES = {"a": "vod", "b": "vod", "c": "cleanup", "d": "other"}
FINAL = (State.SUCCEEDED, State.FAILED, State.REVOKED, State.REJECTED, State.LOST)
LABEL = {"name": 5, "kind": 6, "queue": 7, "worker": 8}
COLUMNS = ("succeeded", "failed", "retried", "revoked", "rejected", "lost")
LONG_AGO = 20 * 3600
DAY = 86_400


class Versions:
    """Draws what a collector might say of a few tasks, at a time: ends some of which are corrections of earlier ones."""

    def __init__(self, draw: st.DataObject, long_ago: int = LONG_AGO) -> None:
        self._draw = draw
        self._long_ago = long_ago

    def task(self, now: float) -> Task:
        draw = self._draw.draw
        name = draw(st.sampled_from([*NAMES, None]))
        ago = draw(st.one_of(st.integers(0, 400), st.integers(0, self._long_ago)))
        retries = draw(st.integers(0, 2))
        runtime = draw(st.none() | st.floats(0.001, 500))
        return task(
            draw(st.sampled_from("123456789")),
            name=name,
            kind=NAMES.get(name or "", "other"),
            state=draw(st.sampled_from(FINAL)),
            queue=draw(st.sampled_from(["q", "r", None])),
            worker=draw(st.sampled_from(["v", "w", None])),
            finished_at=now - ago,
            runtime_seconds=runtime,
            wait_seconds=draw(st.none() | st.floats(0.0, 50)),
            attempts=retries + 1,
            history=tuple(Attempt(n + 1, State.RETRYING, finished_at=now - ago - 50 * (retries - n)) for n in range(retries)),
        )


async def driven(store: Store, clock: ManualClock, drawn: st.DataObject) -> tuple[list[Ledger], Analyst]:
    """Two sources that write, correct and let time go by; an analyst that asks meanwhile, so that it keeps sums."""
    ledgers = [await Ledger(store, clock, source).begin() for source in ("s", "t")]
    analyst = Analyst(Cellar(store, clock))
    versions = Versions(drawn)
    for _ in range(drawn.draw(st.integers(1, 5))):
        for ledger in ledgers:
            found = [versions.task(clock.now()) for _ in range(drawn.draw(st.integers(0, 4)))]
            await ledger.write(*{each.id: each for each in found}.values())
        if drawn.draw(st.booleans()):
            await ask(analyst, clock, "window=24h&bucket=5m", ["s", "t"])
        seconds = drawn.draw(st.sampled_from([1, 70, 400, 4000]))
        clock.advance(float(seconds))
        for ledger in ledgers:
            for _ in range(min(16, seconds // 200 + 1)):
                await ledger.write()
    clock.advance(10.0)
    return ledgers, analyst


async def ask(analyst: Analyst, clock: ManualClock, query: str, sources: list[str]) -> Analytics:
    given_ = {name: [value] for name, _, value in (part.partition("=") for part in query.split("&"))}
    around = Surroundings({}, lambda *_: True)
    return await analyst.answer(question(given_, clock.now()), sources, clock.now(), around)


Entry = tuple[str, tuple[object, ...]]


def recomputed(ledgers: list[Ledger], start: float, end: float) -> list[Entry]:
    """(source, contribution) of each attempt that ended in the window."""
    return [
        (ledger.source, attempt)
        for ledger in ledgers
        for _, attempts in ledger.attempts()
        for attempt in attempts
        if start <= attempt[1] < end
    ]


def check(found: Analytics, entries: list[Entry], group_by: str, start: int, bucket: int) -> None:
    outcomes = Counter(COLUMNS[int(str(entry[2]))] for _, entry in entries)
    assert {name: getattr(found.totals, name) for name in COLUMNS} == {name: outcomes[name] for name in COLUMNS}
    check_durations(found.totals.runtime, [entry[3] for _, entry in entries])
    check_durations(found.totals.wait, [entry[4] for _, entry in entries])
    groups = Counter(
        source if group_by == "source" else entry[LABEL[group_by]] for source, entry in entries if labelled(entry, group_by)
    )
    assert {row.group: row.attempts for row in found.groups if row.attempts} == groups
    assert found.unattributed == len(entries) - sum(groups.values())
    check_series(found, entries, start, bucket)


def labelled(entry: tuple[object, ...], group_by: str) -> bool:
    return group_by == "source" or entry[5 if group_by == "kind" else LABEL[group_by]] is not None


def check_series(found: Analytics, entries: list[Entry], start: int, bucket: int) -> None:
    assert found.series is not None
    for index, name in enumerate(COLUMNS):
        steps = Counter(int(float(str(entry[1])) - start) // bucket for _, entry in entries if entry[2] == index)
        column = getattr(found.series.total, name)
        assert [each or 0 for each in column] == [steps[step] for step in range(len(column))]
        parts = [getattr(each, name) for each in (*found.series.groups, found.series.rest)]
        assert [sum(each or 0 for each in step) for step in zip(*parts, strict=True)] == [each or 0 for each in column]


def check_durations(row: DurationsRow | None, values: list[object]) -> None:
    known = sorted(float(str(value)) for value in values if value is not None)
    assert row is not None
    assert row.count == len(known)
    if not known:
        assert (row.mean, row.p99) == (None, None)
        return
    assert row.mean == pytest.approx(sum(known) / len(known), abs=2e-6)
    for q, value in ((0.5, row.p50), (0.95, row.p95), (0.99, row.p99)):
        exact = known[int(q * (len(known) - 1))]
        assert value == pytest.approx(exact, rel=RELATIVE_ERROR, abs=1e-6)


async def check_all(store: Store, clock: ManualClock, drawn: st.DataObject) -> None:
    assert [each.value for each in OUTCOMES[:3]] == ["succeeded", "failed", "retrying"]
    ledgers, analyst = await driven(store, clock, drawn)
    for window, bucket in ((24 * 3600, 300), (24 * 3600, 3600), (40 * 3600, 3600)):
        for group_by in ("name", "kind", "queue", "worker", "source"):
            sources = ["s", "t"] if group_by != "queue" else ["t"]
            query = f"window={window}s&bucket={bucket}s&group_by={group_by}&series=2"
            found = await ask(analyst, clock, query, sources)
            start = int(clock.now() - window) // bucket * bucket
            chosen = [ledger for ledger in ledgers if ledger.source in sources]
            end = ceil(clock.now() / 60) * 60
            check(found, recomputed(chosen, start, end), group_by, start, bucket)


async def days_driven(store: Store, clock: ManualClock, drawn: st.DataObject) -> tuple[list[Ledger], Analyst]:
    """Two sources whose days are made of hours while they write and correct what ended up to four days ago."""
    ledgers = [await Ledger(store, clock, source).begin() for source in ("s", "t")]
    first = int(START) // DAY * DAY - 3 * DAY
    analyst, versions = Analyst(Cellar(store, clock)), Versions(drawn, 4 * DAY)
    for ledger in ledgers:
        ledger.restart({"rolled:86400": str(first), DAYS_FIELD: "0"})
    for seconds in (30, drawn.draw(st.integers(1, 60)), 60, 1):
        for ledger in ledgers:
            found = [versions.task(clock.now()) for _ in range(drawn.draw(st.integers(0, 4)))]
            await ledger.write(*{each.id: each for each in found}.values())
        await ask(analyst, clock, "window=3d&bucket=1d", ["s", "t"])
        if drawn.draw(st.booleans()):
            ledgers[0].restart(await store.meta("s"))
        for _ in range(seconds):
            clock.advance(1.0)
            for ledger in ledgers:
                await ledger.write()
    clock.advance(10.0)
    return ledgers, analyst


async def check_days(store: Store, clock: ManualClock, drawn: st.DataObject) -> None:
    """Windows that begin and end inside of days, and at their ends."""
    ledgers, analyst = await days_driven(store, clock, drawn)
    today = int(START) // DAY * DAY
    for window, bucket, until in (
        (3 * DAY, DAY, None),
        (2 * DAY + 5 * 3600, 3600, None),
        (2 * DAY, 3 * 3600, today - DAY // 2),
        (2 * DAY, DAY, today),
    ):
        end = until or ceil(clock.now() / 60) * 60
        start = int((until or clock.now()) - window) // bucket * bucket
        covered = [cover(start, end, Marks.of(await store.meta(each.source)), clock.now()) for each in ledgers]
        assert all(any(resolution == DAY for resolution, _ in each.buckets) for each in covered)
        for group_by in ("name", "kind", "queue", "worker", "source"):
            query = f"window={window}s&bucket={bucket}s&group_by={group_by}&series=2" + (f"&until={until}" if until else "")
            found = await ask(analyst, clock, query, ["s", "t"])
            check(found, recomputed(ledgers, start, end), group_by, start, bucket)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
async def test_whole_days_are_what_the_ledger_of_attempts_adds_up_to(drawn: st.DataObject) -> None:
    clock = ManualClock(START)
    await check_days(MemoryStore(clock, log_bytes=1 << 28), clock, drawn)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
async def test_whole_days_from_a_server_are_what_the_ledger_adds_up_to(valkey_url: str, drawn: st.DataObject) -> None:
    clock = ManualClock(START)
    backend = Backend(valkey_url)
    await backend.erase()
    store = RedisStore(valkey_url, clock, prefix="t")
    try:
        await check_days(store, clock, drawn)
    finally:
        await store.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
async def test_analytics_are_what_the_ledger_of_attempts_adds_up_to(drawn: st.DataObject) -> None:
    clock = ManualClock(START)
    await check_all(MemoryStore(clock, log_bytes=1 << 28), clock, drawn)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
async def test_analytics_from_a_server_are_what_the_ledger_adds_up_to(valkey_url: str, drawn: st.DataObject) -> None:
    clock = ManualClock(START)
    backend = Backend(valkey_url)
    await backend.erase()
    store = RedisStore(valkey_url, clock, prefix="t")
    try:
        await check_all(store, clock, drawn)
    finally:
        await store.close()
