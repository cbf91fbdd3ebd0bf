"""A client that applies deltas shows what a fresh look at the live view would show."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.api import START, task
from taskscope_api.filters import Filter, Matcher
from taskscope_api.frames import RowEncoder
from taskscope_api.live_view import LiveView
from taskscope_api.replica import Replica
from taskscope_api.sorting import sort_named
from taskscope_api.subscriptions import Subscription
from taskscope_api.windows import Window
from taskscope_shared.model import Engine, Position, State, Worker, WorkerState

STATES = [State.RUNNING, State.QUEUED, State.SUCCEEDED]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from("abcdefghij"), st.sampled_from([*STATES, None]), st.integers(0, 50), st.sampled_from(["w1", None])
    ),
    max_size=12,
)
ROUNDS = st.lists(st.tuples(CHANGES, st.booleans(), st.booleans()), max_size=25)
WANTED = st.builds(
    Subscription,
    st.builds(
        Filter,
        state=st.lists(st.sampled_from(STATES), max_size=2).map(tuple),
        worker=st.lists(st.just("w1"), max_size=1).map(tuple),
    ),
    st.sampled_from(["-updated_at", "live", "updated_at", "state"]).map(sort_named),
    st.integers(1, 6),
    st.just(("key", "version")),
    st.none(),
)


class Client:
    """Applies frames as docs/architecture.md says. What a delta names that it does not hold, or holds already, fails."""

    def __init__(self, text: str) -> None:
        self.rows: dict[str, str] = {}
        self.workers: dict[str, Any] = {}
        self.token = ""
        self.apply(text)

    def apply(self, text: str) -> None:
        data = json.loads(text)["data"]
        if data["kind"] == "snapshot":
            self.rows = {row["key"]: row["version"] for row in data["tasks"]}
            self.workers = {row["key"]: row for row in data["workers"]}
        else:
            self._apply_delta(data)
        self.total, self.token = data["total"], data["position"]

    def _apply_delta(self, data: dict[str, Any]) -> None:
        assert not {row["key"] for row in data["upsert"]} & set(data["remove"])
        for key in data["remove"]:
            del self.rows[key]
        self.rows.update((row["key"], row["version"]) for row in data["upsert"])
        if data["keys"] is not None:
            self.rows = {key: self.rows[key] for key in data["keys"]}
        if (workers := data["workers"]) is not None:
            for key in workers["remove"]:
                del self.workers[key]
            self.workers.update((row["key"], row) for row in workers["upsert"])
            if workers["keys"] is not None:
                self.workers = {key: self.workers[key] for key in workers["keys"]}


class World:
    """A live view that changes, and its positions."""

    def __init__(self) -> None:
        self.live = LiveView()
        self.live.replicas["s"] = Replica("s")
        self.seq = 0

    def change(self, changes: list[tuple[str, State | None, int, str | None]]) -> None:
        self.seq += 1
        replica = self.live.replicas["s"]
        for id_, state, at, worker in changes:
            if state is None:
                replica.remove(id_, Position(1, self.seq))
            else:
                replica.put(task(id_, state=state, seq=self.seq, updated_at=float(at), worker=worker))
        replica.position = Position(1, self.seq)
        self.live.changed(tasks=True)

    async def replace(self) -> None:
        """What a new snapshot does: the same tasks in a new replica."""
        fresh, held = Replica("s"), self.live.replicas["s"]
        for one in held.tasks.values():
            fresh.put(one.task())
        fresh.position = held.position
        await self.live.install(fresh)

    def shown(self, wanted: Subscription) -> tuple[dict[str, str], int]:
        page = self.live.page(Matcher(wanted.filter, None), wanted.sort, wanted.limit)
        return {f"{one.source}/{one.id}": str(one.position) for one in page.tasks}, page.total


@given(WANTED, ROUNDS)
@settings(max_examples=100, deadline=None)
async def test_deltas_applied_by_a_client_give_the_window(wanted: Subscription, rounds: list[Any]) -> None:
    world = World()
    window = Window(wanted, world.live, RowEncoder())
    window.advance(START, always=True)
    client = Client(window.snapshot(START))
    for changes, replaced, _ in rounds:
        world.change(changes)
        if replaced:
            await world.replace()
        if (text := window.advance(START)) is not None:
            client.apply(text)
        assert (client.rows, client.total) == world.shown(wanted)
    assert Client(window.snapshot(START)).rows == client.rows


def window_of(world: World, **fields: Any) -> Window:
    wanted = Subscription(Filter(**fields), sort_named("-updated_at"), 10, None, None)
    window = Window(wanted, world.live, RowEncoder())
    window.advance(START, always=True)
    return window


def test_nothing_is_sent_when_nothing_that_is_shown_changed() -> None:
    world = World()
    window = window_of(world, kind=("vod",))
    assert window.advance(START) is None


def test_a_change_outside_the_filter_moves_the_cards_but_no_row() -> None:
    world = World()
    window = window_of(world, state=("failed",))
    world.change([("a", State.RUNNING, 1, None)])
    data = json.loads(window.advance(START) or "")["data"]
    assert (data["upsert"], data["remove"], data["total"], data["summary"]["active"]) == ([], [], 0, 1)


def test_workers_are_sent_when_they_change_and_named_when_they_are_gone() -> None:
    world = World()
    window = window_of(world)
    worker = Worker("w", "s", Engine.CELERY, WorkerState.ONLINE, heartbeat_at=START)
    world.live.replicas["s"].workers["w"] = worker
    world.live.changed(tasks=False)
    client = Client(window.snapshot(START))
    client.apply(window.advance(START) or "")
    assert client.workers["s/w"]["heartbeat_at"] == "2023-11-14T22:13:20.000Z"
    del world.live.replicas["s"].workers["w"]
    world.live.changed(tasks=False)
    client.apply(window.advance(START) or "")
    assert client.workers == {}


def test_a_source_that_becomes_stale_is_told_at_once() -> None:
    world = World()
    window = window_of(world)
    world.live.mark("s", "its collector is gone")
    data = json.loads(window.advance(START) or "")["data"]
    assert data["stale"] is True
