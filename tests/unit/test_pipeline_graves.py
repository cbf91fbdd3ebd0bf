"""Evicted tasks between reducer and store: each attempt is in the cells once, whatever is evicted, corrected or fails."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.reducing import T0, event, reducer
from taskscope_collector.contributions import Contributions, contributions
from taskscope_collector.health import UNCORRECTED
from taskscope_collector.observations import Observation
from taskscope_collector.outbox import Outbox, Prepared
from taskscope_collector.reduced import UNKNOWN
from taskscope_collector.reducer.record import Record
from taskscope_collector.reducer.state import SourceState
from taskscope_collector.rollups import Change, Rollups
from taskscope_shared.cells import Cell, decode_cell, merged
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import Engine, Task
from taskscope_shared.store import Lease
from taskscope_shared.testing import MemoryStore

NOW = T0 + 50.0
LATE = 60
"""Seconds after T0 of late facts; they are of the same minute as little else."""


class Writing:
    """A reducer that is flushed by hand into the store's twin, as the holder of the lease."""

    def __init__(self, state: SourceState, store: MemoryStore) -> None:
        self.state, self.store = state, store
        self.rollups = Rollups()
        self.outbox = Outbox(state, store, self.rollups)
        self.seq = 0

    async def begin(self) -> "Writing":
        lease = await self.store.acquire("s", "a", 1000.0)
        assert lease is not None
        self.lease: Lease = lease
        self.rollups.begin(await self.store.meta("s"), NOW)
        return self

    async def fill(self) -> Prepared:
        return await self.outbox.fill(self.lease, self.seq + 1, NOW, lambda changed: None)  # noqa: ARG005 - no health

    async def write(self, prepared: Prepared) -> None:
        await self.store.flush(self.lease, prepared.flush, 1000.0)
        self.seq += 1
        self.outbox.commit(prepared)

    async def flush(self) -> None:
        await self.write(await self.fill())

    def stored(self) -> set[str]:
        return set(self.store._states["s"].tasks)

    def counted(self) -> dict[str, Cell]:
        """The minutes' cells, merged by field, without examples."""
        return _level(self.store._states["s"].cells)


def _level(cells: Any) -> dict[str, Cell]:
    fields: dict[str, list[Cell]] = {}
    for (resolution, _), bucket in cells.items():
        for name, data in bucket.items() if resolution == 60 else ():
            fields.setdefault(name, []).append(decode_cell(data))
    total = {name: merged(found) for name, found in fields.items()}
    for cell in total.values():
        cell.slowest, cell.failed, cell.kind = [], [], None
    return {name: cell for name, cell in total.items() if cell != Cell()}


async def writing(**budgets: Any) -> Writing:
    return await Writing(reducer(**budgets), MemoryStore(ManualClock())).begin()


def run(state: SourceState, id_: str, number: float, end: str = "succeeded") -> None:
    state.apply(event("received", number - 0.5, id_=id_, name="app.f", retries=0))
    state.apply(event("started", number - 0.4, id_=id_))
    state.apply(event(end, number, id_=id_))


async def buried(**budgets: Any) -> Writing:
    """Task `a` ran, was written and then evicted; `b` is retained."""
    writer = await writing(**({"finished": 1} | budgets))
    run(writer.state, "a", 1)
    await writer.flush()
    run(writer.state, "b", 2)
    writer.state.tick(T0 + 3)
    await writer.flush()
    assert writer.stored() == {"b"}
    return writer


def again(state: SourceState, id_: str = "a") -> None:
    """It was delivered once more and failed."""
    run(state, id_, LATE, "failed")


async def test_a_task_that_was_evicted_before_its_first_flush_is_counted() -> None:
    writer = await writing(finished=1)
    run(writer.state, "a", 1)
    run(writer.state, "b", 2)
    writer.state.tick(T0 + 3)
    await writer.flush()
    assert writer.stored() == {"b"}
    assert writer.counted()["source:"].counts[0] == 2


async def test_a_late_fact_replaces_what_an_evicted_task_contributed_and_writes_no_task() -> None:
    writer = await buried()
    again(writer.state)
    prepared = await writer.fill()
    assert prepared.flush.tasks == {}
    await writer.write(prepared)
    assert writer.stored() == {"b"}
    assert writer.counted()["source:"].counts[:2] == [2, 1]
    writer.state.apply(event("failed", LATE, id_="a"))
    await writer.flush()
    assert writer.counted()["source:"].counts[:2] == [2, 1]


async def test_a_correction_whose_flush_is_abandoned_is_not_guessed_but_counted() -> None:
    writer = await buried()
    again(writer.state)
    writer.outbox.abandon(await writer.fill())
    await writer.flush()
    assert writer.counted()["source:"].counts[:2] == [2, 0]
    assert writer.outbox.uncorrected == 1


async def test_a_task_that_another_wrote_is_corrected_only_while_it_is_still_stored() -> None:
    writer = await buried()
    (record,) = (record for record in [writer.state._books.graves["a"]])
    record.contributed = UNKNOWN  # as after a takeover
    again(writer.state)
    await writer.flush()
    assert writer.counted()["source:"].counts[:2] == [2, 0]
    assert writer.outbox.uncorrected == 1
    kept = writer.state._books.records["b"]
    kept.contributed = UNKNOWN
    run(writer.state, "c", 4)
    writer.state.tick(T0 + 5)  # evicts b, which is stored until this flush
    again(writer.state, "b")
    await writer.flush()
    assert writer.stored() == {"c"}
    assert writer.counted()["source:"].counts[:2] == [3, 1]


async def test_what_is_another_s_doing_is_not_corrected_after_a_takeover() -> None:
    writer = await buried()
    writer.state.mark_all()
    writer.state.drain()
    again(writer.state)
    await writer.flush()
    assert writer.counted()["source:"].counts[:2] == [2, 0]
    assert writer.state.late == 3


def test_the_note_says_how_many() -> None:
    assert UNCORRECTED.format(3).startswith("3 tasks")


steps = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.sampled_from("abcdef"), st.sampled_from(["succeeded", "failed", "retried"])),
        st.tuples(st.just("end"), st.sampled_from("abcdef"), st.sampled_from(["succeeded", "failed"])),
        st.tuples(st.just("start"), st.sampled_from("abcdef"), st.just("")),
        st.tuples(st.sampled_from(["tick", "settle", "flush", "unanswered", "unreachable"]), st.just(""), st.just("")),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(steps, st.integers(1, 3))
async def test_the_cells_are_those_of_a_ledger_whatever_is_evicted_corrected_or_not_written(
    taken: list[tuple[str, str, str]], budget: int
) -> None:
    """The same facts in a reducer that never evicts, its final tasks summed up once, are the ledger.

    Of several starts that nothing ended, an end belongs to the first as long as the facts are kept; what is evicted keeps its
    last start alone. So none starts again before it ended, but by the same step that ends it.
    """
    writer, ledger = await writing(finished=budget, failed=budget), reducer()
    for number, (step, id_, end) in enumerate(_one_start_at_a_time(taken), 1):
        await _take(writer, ledger, step, id_, end, number)
    writer.state.tick(T0 + 900)
    await writer.flush()
    assert writer.outbox.uncorrected == writer.state._books.given_up == 0
    assert len(writer.stored()) <= 6
    assert writer.counted() == await _summed_up(ledger)


def _one_start_at_a_time(taken: list[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    begun: set[str] = set()
    for step, id_, end in taken:
        if step != "start":
            begun.discard(id_)
        elif id_ in begun:
            continue
        else:
            begun.add(id_)
        yield step, id_, end


def _facts(step: str, id_: str, end: str, number: int) -> list[Observation]:
    facts: list[Observation] = []
    if step == "run":
        facts.append(event("received", number, id_=id_, name="app.f"))
    if step in ("run", "start"):
        facts.append(event("started", number + 0.1, id_=id_))
    if end:
        facts.append(event(end, number + 0.2, id_=id_))
    return facts


async def _take(writer: Writing, ledger: SourceState, step: str, id_: str, end: str, number: int) -> None:
    facts = _facts(step, id_, end, number)
    for state in (writer.state, ledger):
        state.apply_batch(deepcopy(facts))
    if step in ("tick", "settle"):
        for state in (writer.state, ledger):
            state.tick(T0 + number + (100 if step == "settle" else 0))
    elif step == "flush":
        await writer.flush()
    elif step == "unanswered":  # the same flush is written later, while the reducer goes on
        prepared = await writer.fill()
        for state in (writer.state, ledger):
            state.apply(event("failed", number + 0.3, id_="a"))
            state.tick(T0 + number)
        await writer.write(prepared)
    elif step == "unreachable":  # what is drained cannot be looked up
        changes = writer.state.drain()
        writer.rollups.forget()
        writer.state.remark(changes.tasks, changes.removed)


async def _summed_up(ledger: SourceState) -> dict[str, Cell]:
    rollup, store = Rollups(), MemoryStore(ManualClock())
    rollup.begin({}, NOW)
    records: list[Record] = list(ledger._books.records.values())
    changes = [Change(record.draft.id, (), _of(record)) for record in records]

    async def load(wanted: Any) -> dict[tuple[int, int, str], bytes]:
        return await store.load_cells("s", wanted)

    staged = await rollup.stage(changes, NOW, load)
    return _level(staged.cells)


def _of(record: Record) -> Contributions:
    draft = record.draft
    assert draft.engine is Engine.CELERY
    return contributions(Task(*(getattr(draft, name) for name in Task.__struct_fields__)))
