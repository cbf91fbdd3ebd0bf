"""The scenarios that differ by how a worker is watched: RabbitMQ, polling alone, events switched on by us, busy workers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from support.permute import assert_same_state_in_any_order
from support.scenarios import drive
from support.scenarios.app import QUEUE, Place, make_app
from support.scenarios.compare import differences, fields
from support.scenarios.drive import PRIORITIES, Session
from support.scenarios.expected import DROPPED_BY_BROKER, Row, rows_of
from support.scenarios.ledger import Ledger
from support.scenarios.matrix import outcome_of, settle
from support.scenarios.recorded import of_task
from support.scenarios.workers import Workers
from support.watch import Watched
from taskscope_shared.model import State, WorkerState
from taskscope_shared.settings import CelerySource

pytestmark = pytest.mark.timeout(150)
BUSY_SECONDS = 30.0
"""A worker is silent after two rounds without an answer: a quiet machine sees that after 10 to 15 s, a busy one later."""


class Stand(NamedTuple):
    """A source that watches, and a session to send with."""

    watched: Watched
    session: Session
    place: Place

    async def start(self, name: str, queues: list[str], *options: str, concurrency: int | None = None) -> str:
        """A worker that answers and that the source knows."""
        session = self.session
        node = session.workers.start(name, self.place, session.pool, queues, *options, concurrency=concurrency)
        await asyncio.to_thread(session.workers.wait_ready, session.app, [node])
        await self.watched.until(f"{node} to be known", lambda: node in self.watched.workers)
        return node

    def state(self, task_id: str) -> State | None:
        return self.watched.state_of(task_id)

    def passed(self, task_id: str) -> set[State]:
        return {moment.state for moment in self.watched.moments[task_id]}


@asynccontextmanager
async def _stand(settings: CelerySource, place: Place, pool: str, logs: Path) -> AsyncIterator[Stand]:
    with Workers(logs) as workers:
        async with Watched(settings) as watched:
            session = Session(make_app(place), Ledger(place.ledger), workers, pool)
            yield Stand(watched, session, place)
            session.close()


@pytest.fixture
def places(valkey_url: str) -> Callable[[str], Place]:
    """Servers with the result backend and the ledger on an embedded Valkey; the broker is there, too, unless one is given."""
    base = valkey_url.rpartition("/")[0]
    return lambda broker: Place(broker or valkey_url, valkey_url, f"{base}/9")


ON_RABBITMQ = (
    "success",
    "failure",
    "progress",
    "retry_then_success",
    "retry_exhausted",
    "eta",
    "expired",
    "rejected",
    "chain/0",
    "chain/2",
)


@pytest.mark.xdist_group("rabbitmq")
async def test_rabbitmq_as_broker_gives_the_same_rows(
    rabbitmq_url: str, places: Callable[[str], Place], tmp_path: Path
) -> None:
    place = places(rabbitmq_url)
    settings = CelerySource(name="rabbit", broker_url=place.broker, result_backend=place.backend)
    async with _stand(settings, place, "prefork", tmp_path) as stand:
        await stand.start("main", [QUEUE], "-E")
        scenarios = (
            drive.success, drive.failure, drive.progress, drive.retry_then_success, drive.retry_exhausted, drive.eta,
            drive.expired, drive.rejected, drive.chained,
        )  # fmt: skip
        await asyncio.to_thread(drive.run_all, stand.session, scenarios)
        rows = {label: rows_of("prefork")[label] for label in ON_RABBITMQ}
        await settle(stand.watched, stand.session, rows)
        outcome = outcome_of(stand.watched, stand.session)
        if outcome.tasks[outcome.sent["expired"].id].uncertain:
            rows["expired"] = DROPPED_BY_BROKER
        assert {label: found for label, row in rows.items() if (found := differences(outcome, label, row))} == {}
    for label, row in rows.items():
        task_id = outcome.sent[label].id
        recorded = of_task(outcome.observations, task_id, with_workers=False)
        assert_same_state_in_any_order(recorded, fields(outcome, label, row), task_id=task_id, orders=12)


async def test_worker_without_events_is_switched_on_by_remote_control(places: Callable[[str], Place], tmp_path: Path) -> None:
    place = places("")
    settings = CelerySource(name="quiet", broker_url=place.broker, result_backend=place.backend)
    async with _stand(settings, place, "threads", tmp_path) as stand:
        node = await stand.start("main", [QUEUE])
        await stand.watched.until("events to be on", lambda: stand.watched.workers[node].events_enabled_by_us)
        await asyncio.to_thread(drive.run_all, stand.session, (drive.success, drive.failure, drive.retry_then_success))
        rows: dict[str, Row] = {label: rows_of("threads")[label] for label in ("success", "failure", "retry_then_success")}
        await settle(stand.watched, stand.session, rows)
        outcome = outcome_of(stand.watched, stand.session)
        assert {label: found for label, row in rows.items() if (found := differences(outcome, label, row))} == {}


async def test_polling_alone_tells_queued_reserved_running_and_finished(places: Callable[[str], Place], tmp_path: Path) -> None:
    place = places("")
    settings = CelerySource(
        name="polled",
        broker_url=place.broker,
        result_backend=place.backend,
        enable_events=False,
        inspect_seconds=1,
        queue_seconds=0.5,
    )
    async with _stand(settings, place, "prefork", tmp_path) as stand:
        stand.session.app.conf.task_send_sent_event = False
        node = await stand.start("main", [QUEUE], concurrency=1)
        ids = [stand.session.send(f"polled/{number}", "work", 4.0) for number in range(4)]
        running, reserved, *waiting = ids
        await stand.watched.until("the first to run", lambda: stand.state(running) is State.RUNNING)
        await stand.watched.until("the second to be reserved", lambda: stand.state(reserved) is State.RESERVED)
        await stand.watched.until("the others to be counted", lambda: stand.watched.deepest[QUEUE] >= len(waiting))
        await stand.watched.until("all to end", lambda: all(stand.state(i) is State.SUCCEEDED for i in ids), seconds=30)
        assert stand.watched.workers[node].events is not True
        assert all(stand.watched.tasks[i].worker == node for i in ids)


async def test_failed_task_is_told_by_polling_from_its_result(places: Callable[[str], Place], tmp_path: Path) -> None:
    place = places("")
    settings = CelerySource(
        name="polled",
        broker_url=place.broker,
        result_backend=place.backend,
        enable_events=False,
        inspect_seconds=1,
        queue_seconds=0.5,
    )
    async with _stand(settings, place, "prefork", tmp_path) as stand:
        stand.session.app.conf.task_send_sent_event = False
        await stand.start("main", [QUEUE], concurrency=1)
        task_id = stand.session.send("failure", "fail", "no such reel")
        await stand.watched.until("it to fail", lambda: stand.state(task_id) is State.FAILED)
        draft = stand.watched.tasks[task_id]
        assert (draft.exception_type, draft.exception) == ("ReelError", "no such reel")


async def test_waiting_messages_tell_queue_and_priority_where_producers_send_no_events(
    places: Callable[[str], Place], tmp_path: Path
) -> None:
    place = places("")
    settings = CelerySource(name="peeked", broker_url=place.broker, result_backend=place.backend, queues=("priorities",))
    async with _stand(settings, place, "threads", tmp_path) as stand:
        stand.session.app.conf.task_send_sent_event = False
        ids = {value: stand.session.send(f"{value}", "work", 0.2, queue="priorities", priority=value) for value in PRIORITIES}
        await stand.watched.until(
            "all to be known", lambda: all(stand.state(i) is State.QUEUED for i in ids.values()), seconds=40
        )
        assert {stand.watched.tasks[i].priority for i in ids.values()} == set(PRIORITIES)
        assert {stand.watched.tasks[i].queue for i in ids.values()} == {"priorities"}
        assert stand.watched.queues["priorities"].depth == len(PRIORITIES)


@pytest.mark.parametrize("task", ["progress", "work"])
async def test_task_of_a_busy_solo_worker_is_not_lost(places: Callable[[str], Place], tmp_path: Path, task: str) -> None:
    """The worker neither beats nor answers while it works. `progress` is known to run, by its results, `work` is not."""
    place = places("")
    settings = CelerySource(name="busy", broker_url=place.broker, result_backend=place.backend)
    async with _stand(settings, place, "solo", tmp_path) as stand:
        node = await stand.start("main", [QUEUE], "-E")
        arguments = (2, BUSY_SECONDS) if task == "progress" else (BUSY_SECONDS,)
        task_id = stand.session.send("busy", task, *arguments)
        if task == "progress":
            await stand.watched.until("it to run", lambda: stand.state(task_id) is State.RUNNING)
            tasks = stand.watched.tasks
            await stand.watched.until("it to be uncertain", lambda: tasks[task_id].uncertain is not None, seconds=BUSY_SECONDS)
            assert stand.watched.workers[node].state is WorkerState.SILENT
        await stand.watched.until("it to end", lambda: stand.state(task_id) is State.SUCCEEDED, seconds=BUSY_SECONDS + 20)
        assert stand.passed(task_id) <= {State.QUEUED, State.RESERVED, State.RUNNING, State.SUCCEEDED}
        assert stand.watched.tasks[task_id].uncertain is None
