"""A client that goes on from a token, anywhere, shows what is shown there: nothing twice, nothing lost, nothing told."""

import asyncio
import json
from base64 import urlsafe_b64encode
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.api import task
from taskscope_api import cursors, hub
from taskscope_api.filters import Filter, Matcher
from taskscope_api.hub import Client, Hub
from taskscope_api.live_view import LiveView
from taskscope_api.replica import Replica
from taskscope_api.sorting import sort_named
from taskscope_api.subscriptions import Subscription
from taskscope_api.wire import TaskRow
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import Engine, Position, State, Worker, WorkerState

SOURCES = ("a", "b")
STATES = [State.RUNNING, State.QUEUED, State.SUCCEEDED]
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(SOURCES),
        st.lists(st.tuples(st.sampled_from("123456"), st.sampled_from([*STATES, None]), st.integers(0, 20)), max_size=5),
    ),
    min_size=1,
    max_size=20,
)
WANTED = st.builds(
    Subscription,
    st.builds(
        Filter,
        state=st.lists(st.sampled_from(STATES), max_size=2).map(tuple),
        source=st.lists(st.sampled_from(SOURCES), max_size=1).map(tuple),
    ),
    st.sampled_from(["-updated_at", "live", "updated_at", "state"]).map(sort_named),
    st.integers(1, 5),
    st.sampled_from([None, ("key", "version", "state")]),
    st.sampled_from([None, frozenset("a"), frozenset("b"), frozenset("ab"), frozenset()]),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), st.integers(0, 1)),
        st.tuples(st.just("push"), st.just(0)),
        st.tuples(st.just("resume"), st.integers(0, 1)),
        st.tuples(st.just("load"), st.integers(0, 1)),
        st.tuples(st.just("other"), st.integers(0, 1)),
    ),
    max_size=30,
)


class Site:
    """One api: a live view that is fed the same entries as others, further or less far, and its hub."""

    def __init__(self, clock: ManualClock, entries: list[Any]) -> None:
        self.live, self.entries, self.fed = LiveView(), entries, 0
        for source in SOURCES:
            self.live.replicas[source] = self.empty(source)
        self.hub = Hub(self.live, clock)

    def empty(self, source: str) -> Replica:
        replica = Replica(source)
        replica.incarnation = f"{source} once"
        return replica

    def feed(self) -> None:
        """Apply the next entry."""
        if self.fed == len(self.entries):
            return
        source, changes = self.entries[self.fed]
        self.fed += 1
        replica, at = self.live.replicas[source], Position(1, self.fed)
        for id_, state, updated in changes:
            if state is None:
                replica.remove(id_, at)
            else:
                replica.put(task(id_, source=source, state=state, seq=self.fed, updated_at=float(updated)))
        replica.workers[f"w{self.fed}"] = Worker(f"w{self.fed}", source, Engine.CELERY, WorkerState.ONLINE)
        replica.workers.pop(f"w{self.fed - 3}", None)
        replica.position = at
        self.live.changed(tasks=False)
        self.live.changed(tasks=True)

    async def load(self) -> None:
        """What a new snapshot does: the same tasks in new replicas."""
        for source, held in list(self.live.replicas.items()):
            fresh = self.empty(source)
            for one in held.tasks.values():
                fresh.put(one.task())
            fresh.workers, fresh.position = dict(held.workers), held.position
            await self.live.install(fresh)

    def window(self, wanted: Subscription) -> tuple[dict[str, str], set[str]]:
        """Recomputed: key -> version of the tasks, and the workers' keys."""
        matcher = Matcher(wanted.filter, wanted.scope)
        page = self.live.page(matcher, wanted.sort, wanted.limit)
        return {one.key: str(one.position) for one in page.tasks}, set(self.live.workers(matcher.source))


class Viewer:
    """A client that applies frames as docs/architecture.md says, from whichever hub it joined last."""

    def __init__(self) -> None:
        self.client = Client()
        self.rows: dict[str, str] = {}
        self.workers: dict[str, Any] = {}
        self.token: str | None = None
        self.events: list[tuple[str, Any]] = []

    async def join(self, site: Site, wanted: Subscription, since: str | None) -> None:
        self.client = Client()
        await site.hub.join(self.client, wanted, since)
        await self.take()

    async def take(self) -> None:
        for text in await taken(self.client):
            message = json.loads(text)
            self.events.append((message["event"], message["data"]))
            if message["event"] == "task_updates":
                self.apply(message["data"])

    def apply(self, data: dict[str, Any]) -> None:
        if data["kind"] == "snapshot":
            self.rows = {row["key"]: row["version"] for row in data["tasks"]}
            self.workers = {row["key"]: row for row in data["workers"]}
        else:
            self.rows = changed(self.rows, data, [(row["key"], row["version"]) for row in data["upsert"]])
            if (workers := data["workers"]) is not None:
                self.workers = changed(self.workers, workers, [(row["key"], row) for row in workers["upsert"]])
        self.token = data["position"]


def changed(held: dict[str, Any], change: dict[str, Any], upsert: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _ in upsert}) == len(upsert)
    left = {key: value for key, value in held.items() if key not in change["remove"]} | dict(upsert)
    assert len(left) == len(held) - len(change["remove"]) + len({key for key, _ in upsert} - held.keys())
    return left if change["keys"] is None else {key: left[key] for key in change["keys"]}


async def taken(client: Client) -> list[str]:
    """What waits for the client."""
    texts = []
    frames = client.frames()
    while client.waiting:
        texts.append(await anext(frames))
    return texts


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "CATCH_UP_SECONDS", 0.0)


@given(WANTED, WANTED, ENTRIES, STEPS)
@settings(max_examples=300, deadline=None)
async def test_a_client_that_goes_from_replica_to_replica_shows_what_each_one_shows(
    wanted: Subscription, other: Subscription, entries: list[Any], steps: list[Any]
) -> None:
    clock = ManualClock()
    sites = [Site(clock, entries), Site(clock, entries)]
    viewer, at, looking_at = Viewer(), sites[0], wanted
    await viewer.join(at, looking_at, None)
    for step, which in steps:
        if step == "feed":
            sites[which].feed()
        elif step == "load":
            await sites[which].load()
        elif step == "push":
            await at.hub._round()
            await viewer.take()
        else:
            at.hub.leave(viewer.client)
            at, looking_at = sites[which], (looking_at if step == "resume" else other)
            await viewer.join(at, looking_at, viewer.token)
        if step in ("push", "resume", "other"):
            assert (viewer.rows, set(viewer.workers)) == at.window(looking_at)
    scope = looking_at.scope
    assert scope is None or {key[0] for key in viewer.rows} <= scope


async def test_what_did_not_change_since_the_token_is_not_sent_again() -> None:
    clock = ManualClock()
    entries = [("a", [("1", State.RUNNING, 1), ("2", State.RUNNING, 2)]), ("a", [("2", State.QUEUED, 3)])]
    here, there, viewer = Site(clock, entries), Site(clock, entries), Viewer()
    wanted = Subscription(Filter(), sort_named("live"), 10, None, None)
    for site in (here, there, there):
        site.feed()
    await viewer.join(here, wanted, None)
    await viewer.join(there, wanted, viewer.token)
    event, data = viewer.events[-1]
    assert (event, data["kind"], [row["key"] for row in data["upsert"]]) == ("task_updates", "delta", ["a/2"])
    assert (data["remove"], sorted(data["keys"]), data["workers"]["keys"]) == ([], ["a/1", "a/2"], ["a/w1", "a/w2"])


async def test_a_replica_that_is_behind_the_token_answers_when_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "CATCH_UP_SECONDS", 60.0)
    monkeypatch.setattr(hub, "LOOK_SECONDS", 0.001)
    clock = ManualClock()
    entries = [("a", [("1", State.RUNNING, 1)])]
    ahead, behind, viewer = Site(clock, entries), Site(clock, entries), Viewer()
    wanted = Subscription(Filter(), sort_named("live"), 10, None, None)
    ahead.feed()
    await viewer.join(ahead, wanted, None)
    joining = asyncio.create_task(viewer.join(behind, wanted, viewer.token))
    done, _ = await asyncio.wait({joining}, timeout=0.05)
    assert not done
    behind.feed()
    await asyncio.wait_for(joining, 5)
    assert (viewer.events[-1][1]["kind"], viewer.events[-1][1]["upsert"], set(viewer.rows)) == ("delta", [], {"a/1"})


async def test_a_replica_that_stays_behind_sends_what_it_has() -> None:
    clock = ManualClock()
    entries = [("a", [("1", State.QUEUED, 1)]), ("a", [("1", State.RUNNING, 2)])]
    ahead, behind, viewer = Site(clock, entries), Site(clock, entries), Viewer()
    wanted = Subscription(Filter(), sort_named("live"), 10, None, None)
    for site in (ahead, ahead, behind):
        site.feed()
    await viewer.join(ahead, wanted, None)
    await viewer.join(behind, wanted, viewer.token)
    assert viewer.rows == {"a/1": "1-1"}
    behind.feed()
    await behind.hub._round()
    await viewer.take()
    assert viewer.rows == {"a/1": "1-2"}


@pytest.mark.parametrize("source", ["b", "elsewhere"])
async def test_a_token_of_a_source_that_may_not_be_seen_says_no_more_than_one_of_none(source: str) -> None:
    """The same answer, whether the source exists here or not."""
    clock = ManualClock()
    entries = [("a", [("1", State.RUNNING, 1)]), ("b", [("1", State.RUNNING, 1)])]
    site, viewer = Site(clock, entries), Viewer()
    site.feed()
    site.feed()
    only_a = Subscription(Filter(), sort_named("live"), 10, None, frozenset("a"))
    digest = cursors.fields_mark(TaskRow.__struct_fields__)
    token = cursors.token({source: (f"{source} once", Position(1, 1))}, digest, [cursors.row_mark(f"{source}/1")])
    await viewer.join(site, only_a, token)
    kinds = [(event, data.get("type") or data.get("kind")) for event, data in viewer.events]
    assert kinds == [
        ("error", "urn:taskscope:problem:foreign-token"),
        ("joined_room", None),
        ("task_updates", "snapshot"),
    ]
    assert viewer.rows == {"a/1": "1-1"}


async def test_an_api_that_was_just_started_calls_no_token_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "LOADING_SECONDS", 0.0)
    clock = ManualClock()
    starting = Hub(LiveView(), clock, lambda: False)
    client = Client()
    wanted = Subscription(Filter(), sort_named("live"), 10, None, None)
    await starting.join(client, wanted, cursors.token({"a": ("a once", Position(1, 1))}))
    events = [json.loads(text)["event"] for text in await taken(client)]
    assert events == ["joined_room", "task_updates"]


@given(
    st.dictionaries(st.text(max_size=30), st.tuples(st.text(max_size=20), st.integers(0, 2**53), st.integers(0, 2**31))),
    st.lists(st.text(max_size=40), max_size=500),
)
def test_a_token_is_read_as_it_was_made_and_fits_into_a_header(places: dict[str, Any], keys: list[str]) -> None:
    vector = {name: (incarnation, Position(epoch, seq)) for name, (incarnation, epoch, seq) in places.items()}
    text = cursors.token(vector, b"abcd", [cursors.row_mark(key) for key in keys])
    token = cursors.read_token(text)
    assert (token.fields, token.rows) == (b"abcd", frozenset(cursors.row_mark(key) for key in keys))
    assert token.places == cursors.places(vector)
    assert not token.lacks(vector)
    assert not token.is_foreign_to(vector)


def test_the_largest_token_is_short_enough_to_be_read() -> None:
    vector = {f"source-{number}": ("f" * 16, Position(2**43, 2**32 - 1)) for number in range(500)}
    text = cursors.token(vector, b"abcd", [cursors.row_mark(str(number)) for number in range(500)])
    assert len(text) <= cursors.MAX_LENGTH
    assert len(cursors.read_token(text).places) == cursors.MAX_PLACES


@given(st.one_of(st.text(), st.binary(max_size=60).map(lambda raw: urlsafe_b64encode(raw).decode())))
def test_what_is_no_token_is_refused(text: str) -> None:
    try:
        token = cursors.read_token(text)
    except cursors.BadTokenError:
        return
    assert isinstance(msgspec.structs.asdict(token)["rows"], frozenset)
