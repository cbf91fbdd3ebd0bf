"""What the api asks collectors for: it answers in time whoever does not, and asks a source seldom however many ask it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from quart.typing import TestClientProtocol as Requests
from support.api import START, Writing, task
from support.waiting import eventually
from taskscope_api.app import create_app
from taskscope_api.asking import PLACE_SECONDS, Asking
from taskscope_shared import requests
from taskscope_shared.clock import ManualClock, SystemClock
from taskscope_shared.model import Engine, State, Worker, WorkerState
from taskscope_shared.requests import NoAnswerError, Place, WorkerFacts
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore


class Scripted:
    """An asker that says what it was told to; without, it answers never."""

    def __init__(self, answer: msgspec.Struct | Exception | None = None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    async def ask(self, source: str, kind: str, arguments: msgspec.Struct, seconds: float) -> bytes:
        assert isinstance(arguments, msgspec.Struct)
        self.asked.append((source, kind))
        if self.answer is None:
            await asyncio.sleep(2 * seconds)
        if isinstance(self.answer, Exception):
            raise self.answer
        return requests.encode(self.answer)

    async def close(self) -> None:
        pass


async def client_of(asker: Scripted) -> AsyncIterator[Requests]:
    clock = ManualClock()
    store = MemoryStore(clock)
    workers = [Worker("w", "s", Engine.CELERY, WorkerState.ONLINE), Worker("x", "s", Engine.CELERY, WorkerState.OFFLINE)]
    waiting = [task("q", state=State.QUEUED, queue="vod"), task("n", state=State.QUEUED), task("r")]
    await (await Writing(store, clock).begin()).write(*waiting, workers=workers)
    app = create_app(Settings(), store, clock, asker=asker)
    async with app.test_app() as running:
        services = app.extensions["taskscope"]
        await eventually(lambda: services.fleet.ready and services.live.find("r", lambda _: True))
        yield running.test_client()


async def get(client: Requests, path: str) -> Any:
    response = await client.get(path)
    assert response.status_code == 200
    return await response.get_json()


async def test_a_waiting_task_shows_its_place_and_others_have_none() -> None:
    asker = Scripted(Place(4, 3, 9))
    async for client in client_of(asker):
        place = {"position": 4, "ahead_at_least": 3, "depth": 9, "reason": None}
        assert (await get(client, "/api/tasks/q"))["place"] == place
        assert (await get(client, "/api/tasks/s/q"))["place"] == place
        assert (await get(client, "/api/tasks/r"))["place"] is None
        assert (await get(client, "/api/tasks/n"))["place"]["reason"] == "its queue is not known"
        assert asker.asked == [("s", "place")]


async def test_a_task_is_shown_in_time_when_nobody_answers() -> None:
    clock = SystemClock()
    async for client in client_of(Scripted()):
        began = clock.monotonic()
        place = (await get(client, "/api/tasks/q"))["place"]
        assert clock.monotonic() - began < 2.0
        assert place == {
            **dict.fromkeys(("position", "ahead_at_least", "depth")),
            "reason": "no collector answered within 1.5 s",
        }


async def test_a_worker_shows_what_it_said_and_why_it_did_not() -> None:
    facts = WorkerFacts(["a", "b"], {"worker_prefetch_multiplier": 4, "x": None})
    async for client in client_of(asker := Scripted(facts)):
        row = await get(client, "/api/workers/s/w")
        assert (row["key"], row["registered"]) == ("s/w", ["a", "b"])
        assert row["configuration"] == {"worker_prefetch_multiplier": 4, "x": None}
        gone = await get(client, "/api/workers/s/x")
        assert (gone["registered"], gone["configuration"]) == (None, None)
        assert gone["unknown"]["registered"] == "the worker is offline"
        assert len(asker.asked) == 1
        assert (await client.get("/api/workers/s/nobody")).status_code == 404
        assert (await client.get("/api/workers/other/w")).status_code == 404
        assert (await client.get("/api/workers/s/w?x=1")).status_code == 400
    async for client in client_of(Scripted(NoAnswerError("too tired"))):
        row = await get(client, "/api/workers/s/w")
        assert row["unknown"] | {"registered": "too tired", "configuration": "too tired"} == row["unknown"]


async def test_equal_questions_of_a_second_are_one() -> None:
    clock, asker = ManualClock(START), Scripted(Place(1, 0, 1))
    asking = Asking(asker, clock, lambda _: None)
    waiting = task("q", state=State.QUEUED, queue="vod")
    places = await asyncio.gather(*[asking.place(waiting) for _ in range(100)])
    assert {place.position for place in places if place} == {1}
    assert len(asker.asked) == 1
    clock.advance(1.1)
    await asking.place(waiting)
    assert len(asker.asked) == 2
    await asking.close()


async def test_a_source_is_asked_so_often_and_another_is_not_held_up_by_it() -> None:
    clock, asker = ManualClock(START), Scripted(Place(1, 0, 1))
    asking = Asking(asker, clock, lambda _: None)

    async def places(source: str, first: int) -> list[int | None]:
        tasks = [task(str(first + n), source=source, state=State.QUEUED, queue="vod") for n in range(30)]
        return [place.position for place in await asyncio.gather(*map(asking.place, tasks)) if place]

    assert (await places("s", 0)).count(1) == 10
    assert (await places("t", 0)).count(1) == 10
    clock.advance(0.5)
    assert (await places("s", 100)).count(1) == 5
    await asking.close()


async def test_a_source_without_a_collector_is_not_waited_for() -> None:
    asker = Scripted()
    asking = Asking(asker, ManualClock(START), {"s": "its collector is silent"}.get)
    async with asyncio.timeout(PLACE_SECONDS / 2):
        place = await asking.place(task("q", state=State.QUEUED, queue="vod"))
    assert place is not None
    assert place.reason == "the collector cannot be asked: its collector is silent"
    assert asker.asked == []


@pytest.mark.parametrize("state", [State.SCHEDULED, State.DEFERRED, State.RETRYING])
async def test_an_rq_job_that_is_in_no_queue_yet_is_not_asked_for(state: State) -> None:
    asker = Scripted()
    place = await Asking(asker, ManualClock(START), lambda _: None).place(task("q", engine=Engine.RQ, state=state, queue="vod"))
    assert place is not None
    assert place.reason
    assert asker.asked == []


async def test_who_leaves_does_not_take_the_answer_from_others() -> None:
    asker = Scripted(Place(1, 0, 1))
    asking = Asking(asker, ManualClock(START), lambda _: None)
    waiting = task("q", state=State.QUEUED, queue="vod")
    first, second = asyncio.ensure_future(asking.place(waiting)), asyncio.ensure_future(asking.place(waiting))
    await asyncio.sleep(0)
    first.cancel()
    place = await second
    assert place is not None
    assert place.position == 1
    await asking.close()
