"""What a round of answers lets conclude, without any broker."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from support.celery_source import Recorder
from taskscope_collector.observations import Counts, InspectRound, TaskMissing, TaskRedelivered
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.decode import Malformed
from taskscope_collector.sources.celery.held import Bindings, ReplyDecoder
from taskscope_collector.sources.celery.inspect import SCHEDULED_BYTES_A_SECOND, Inspector
from taskscope_collector.sources.celery.mailbox import ANSWER_SECONDS, Answers, Question
from taskscope_collector.sources.celery.repair import Repair
from taskscope_collector.sources.celery.result_store import ResultStore
from taskscope_collector.sources.celery.results import ResultDecoder
from taskscope_collector.sources.celery.roster import KnownIds, Roster
from taskscope_collector.sources.celery.skew import ClockSkew
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Redaction

POOLS = {"prefork": "celery.concurrency.prefork:TaskPool", "solo": "celery.concurrency.solo:TaskPool"}


class Workers:
    """A mailbox and the workers behind it.

    `holds`: what each works on; `bytes`: how large its answer is; `queried`: what `query_task` finds; `connected`: or not.
    """

    def __init__(self) -> None:
        self.holds: dict[str, list[str]] = {}
        self.scheduled: dict[str, list[str]] = {}
        self.bytes: dict[str, int] = {}
        self.queried: dict[str, list[str]] = {}
        self.pools: dict[str, str] = {}
        self.silent: set[str] = set()
        self.subscribed: int | None = None

    async def ask(
        self, questions: Sequence[Question], *, expected: Sequence[str] = (), seconds: float = ANSWER_SECONDS
    ) -> Answers:
        del expected, seconds
        replies = {question.method: self._replies(question.method) for question in questions}
        return Answers(1.0, replies, {q.method: self.bytes.get(q.method, 0) for q in questions}, self.subscribed)

    def _replies(self, method: str) -> dict[str, msgspec.Raw]:
        awake = [worker for worker in self.holds if worker not in self.silent]
        return {worker: msgspec.Raw(msgspec.json.encode(self._reply(method, worker))) for worker in awake}

    def _reply(self, method: str, worker: str) -> Any:
        if method == "stats":
            return {"pool": {"implementation": POOLS[self.pools.get(worker, "prefork")], "max-concurrency": 2}}
        if method == "query_task":
            return {task_id: ["active", {"id": task_id}] for task_id in self.queried.get(worker, [])}
        if method == "scheduled":
            return [{"eta": None, "priority": 6, "request": {"id": task_id}} for task_id in self.scheduled.get(worker, [])]
        return [{"id": task_id} for task_id in self.holds[worker]] if method == "active" else []

    async def of_dead(self, open_tasks: dict[str, str]) -> dict[str, str]:
        return {task_id: "again" for task_id in open_tasks if task_id.startswith("late")}


class Bench:
    def __init__(self) -> None:
        redactor, clock, malformed, skew = Redactor(Redaction()), ManualClock(), Malformed(Counts()), ClockSkew()
        replies = ReplyDecoder(redactor, skew, malformed, Bindings())
        self.clock = clock
        self.roster = Roster()
        self.inspector = Inspector("s", replies, self.roster, KnownIds(), clock)
        self.repair = Repair(
            self.roster, self.inspector, replies, ResultStore(ResultDecoder(redactor, clock, skew), malformed), clock
        )
        self.workers = Workers()
        self.recorder = Recorder()

    async def rounds(self, count: int) -> None:
        for _ in range(count):
            over: InspectRound = await self.inspector.round(self.workers, self.recorder)
            self.recorder.put(await self.repair.after_round(over, self.recorder, self.workers, self.workers))
            self.clock.advance(5)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_task_that_its_worker_does_not_hold_twice_is_missing(bench: Bench) -> None:
    bench.workers.holds = {"w": ["kept"]}
    bench.recorder.open = {"kept": "w", "gone": "w"}
    await bench.rounds(1)
    assert not bench.recorder.of(TaskMissing)
    await bench.rounds(1)
    assert [seen.id for seen in bench.recorder.of(TaskMissing)] == ["gone"]
    await bench.rounds(3)
    assert len(bench.recorder.of(TaskMissing)) == 1


async def test_a_task_that_its_worker_knows_when_asked_for_it_is_not_missing(bench: Bench) -> None:
    bench.workers.holds = {"w": []}
    bench.workers.queried = {"w": ["scheduled"]}
    bench.recorder.open = {"scheduled": "w"}
    await bench.rounds(5)
    assert not bench.recorder.of(TaskMissing)


async def test_a_worker_that_the_broker_does_not_know_any_more_leaves_what_comes_again(bench: Bench) -> None:
    bench.workers.holds = {"w": ["late-1", "early"], "other": []}
    bench.workers.subscribed = 1
    await bench.rounds(1)
    bench.workers.silent = {"w"}
    await bench.rounds(1)
    assert not bench.recorder.of(TaskRedelivered)
    await bench.rounds(5)
    assert [seen.id for seen in bench.recorder.of(TaskRedelivered)] == ["late-1"]


async def test_a_solo_worker_that_is_connected_is_busy_not_dead(bench: Bench) -> None:
    bench.workers.holds = {"w": ["late-1"]}
    bench.workers.pools = {"w": "solo"}
    bench.workers.subscribed = 1
    await bench.rounds(1)
    bench.workers.silent = {"w"}
    await bench.rounds(6)
    assert not bench.recorder.of(TaskRedelivered)


async def test_without_the_brokers_word_heartbeats_decide_except_for_solo(bench: Bench) -> None:
    bench.workers.holds = {"w": ["late-1"], "solo": ["late-2"]}
    bench.workers.pools = {"solo": "solo"}
    await bench.rounds(1)
    bench.workers.silent = {"w", "solo"}
    await bench.rounds(6)
    assert [seen.id for seen in bench.recorder.of(TaskRedelivered)] == ["late-1"]


async def test_a_task_that_waits_but_lies_nowhere_is_missing_after_some_looks(bench: Bench) -> None:
    bench.workers.holds = {"w": ["held"]}
    bench.recorder.waiting = dict.fromkeys(("held", "queued", "purged"))
    await bench.rounds(1)

    async def in_queues(suspects: int) -> set[str] | None:
        assert suspects == 2
        return {"queued"}

    for _ in range(5):
        bench.recorder.put(await bench.repair.waiting(bench.recorder, in_queues))
        bench.clock.advance(10)
    assert not bench.recorder.of(TaskMissing), "some worker may have taken it since it was asked"
    await bench.rounds(1)
    bench.recorder.put(await bench.repair.waiting(bench.recorder, in_queues))
    assert [seen.id for seen in bench.recorder.of(TaskMissing)] == ["purged"]


async def test_a_task_that_a_worker_took_to_hold_it_back_for_its_eta_is_not_missing(bench: Bench) -> None:
    """It is in no queue, neither active nor reserved, and `scheduled` is asked for seldom: its answers are large."""
    bench.workers.holds = {"w": []}
    await bench.rounds(1)
    bench.workers.scheduled = {"w": ["eta"]}
    bench.recorder.waiting = {"eta": None}

    async def in_queues(suspects: int) -> set[str] | None:
        assert suspects == 1
        return set()

    for _ in range(5):
        bench.recorder.put(await bench.repair.waiting(bench.recorder, in_queues))
        bench.clock.advance(1)
        await bench.rounds(1)
    assert not bench.recorder.of(TaskMissing)
    assert bench.inspector.holdings.scheduled["w"] == {"eta"}


async def test_large_answers_about_scheduled_tasks_are_asked_for_seldom(bench: Bench) -> None:
    """20,000 tasks with an ETA make 11.5 MB: no suspicion may fetch them at each round."""
    bench.workers.holds, bench.workers.scheduled = {"w": []}, {"w": ["eta"]}
    bench.workers.bytes = {"scheduled": 11_500_000}
    asked_at = []
    for _ in range(100):
        before = bench.inspector.scheduled_asked_at
        bench.inspector.ask_scheduled()
        await bench.rounds(1)
        if bench.inspector.scheduled_asked_at > before:
            asked_at.append(bench.inspector.scheduled_asked_at)
    assert len(asked_at) > 1
    assert min(later - earlier for earlier, later in pairwise(asked_at)) >= 11_500_000 / SCHEDULED_BYTES_A_SECOND
    assert bench.inspector.round_bytes == 0, "rounds keep their own pace"


async def test_a_silent_worker_may_hold_whatever_waits(bench: Bench) -> None:
    bench.workers.holds = {"w": []}
    bench.recorder.waiting = {"unknown": None}
    await bench.rounds(1)
    bench.workers.silent = {"w"}
    await bench.rounds(1)

    async def in_queues(suspects: int) -> set[str] | None:
        raise AssertionError(suspects)

    for _ in range(5):
        assert await bench.repair.waiting(bench.recorder, in_queues) == []
        bench.clock.advance(10)


async def test_a_pool_is_named_as_on_the_command_line(bench: Bench) -> None:
    bench.workers.holds = {"w": []}
    await bench.rounds(1)
    assert bench.recorder.replies("w")[0].pool == "prefork"
