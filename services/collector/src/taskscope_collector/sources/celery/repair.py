"""Finds out what became of tasks that nobody speaks of any more.

A task that is open but that its worker does not hold, two rounds in a row, has either ended unseen (its result tells) or is
nowhere. The open tasks of a worker that is silent are looked for among the unacknowledged messages: those come again.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from taskscope_shared.clock import Clock

from taskscope_collector.observations import InspectRound, Observation, TaskMissing, TaskRedelivered, TaskResult, View
from taskscope_collector.sources.celery.held import ReplyDecoder
from taskscope_collector.sources.celery.inspect import Inspector
from taskscope_collector.sources.celery.mailbox import Mailbox, Question
from taskscope_collector.sources.celery.result_store import ResultStore
from taskscope_collector.sources.celery.results import FINAL
from taskscope_collector.sources.celery.roster import Node, Roster

ROUNDS = 2
LOOKS = 3
"""How often what a worker left is looked for among the messages: they may be moved back to their queue meanwhile."""
QUERIED_IDS = 500
"""Ids asked of one worker in one `query_task`."""
SWEPT = 200
SWEEP_SECONDS = 30.0
"""Every so often the results of the oldest open tasks are read, in case the end of one was missed."""
WAITING_LOOKED_AT = 2_000
WAITING_SECONDS = 5.0


class Unacknowledged(Protocol):
    """What a broker can tell about messages that were taken and not acknowledged."""

    async def of_dead(self, open_tasks: dict[str, str]) -> dict[str, str]:
        """Those of the open tasks (id -> worker that is gone) that will be delivered again: id -> how that is known."""
        ...


class Repair:
    """Remembers for how many rounds each task has been absent. All of it is bounded by what the view calls open."""

    def __init__(self, roster: Roster, inspector: Inspector, decoder: ReplyDecoder, results: ResultStore, clock: Clock) -> None:
        self._roster = roster
        self._inspector = inspector
        self._decoder = decoder
        self._results = results
        self._clock = clock
        self._absent: dict[str, int] = {}
        self._looks: dict[str, int] = {}
        self._missing: set[str] = set()
        self._swept_at = 0.0
        # Id -> how often it was looked for in vain, and since when (monotonic).
        self._waiting_absent: dict[str, tuple[int, float]] = {}
        self._waiting_at = 0.0
        self._complete = False

    async def everything(self, view: View) -> list[Observation]:
        """After a gap: what is stored of all open tasks."""
        return list(await self._ended(view.open_tasks()))

    async def after_round(self, over: InspectRound, view: View, mailbox: Mailbox, unacked: Unacknowledged) -> list[Observation]:
        """What a round of answers lets conclude. Raises what the connections raise."""
        found: list[Observation] = []
        now = self._clock.monotonic()
        self._complete = over.complete
        absent: dict[str, int] = {}
        orphans: dict[str, str] = {}
        for node in list(self._roster.nodes.values()):
            open_tasks = view.open_tasks_of(node.name)
            if not open_tasks:
                continue
            if node.missed == 0:
                found += await self._living(node, open_tasks, absent, mailbox)
            elif node.dead(now, complete=over.complete):
                orphans.update(dict.fromkeys(open_tasks, node.name))
        found += await self._of_dead(orphans, unacked)
        self._absent = absent
        found += await self._sweep(view, now)
        self._keep_open(view)
        return found

    async def _of_dead(self, orphans: dict[str, str], unacked: Unacknowledged) -> list[Observation]:
        looked = {task_id: self._looks.get(task_id, 0) for task_id in orphans}
        unknown = {task_id: orphans[task_id] for task_id, looks in looked.items() if looks < LOOKS}
        self._looks = {task_id: looks + 1 for task_id, looks in looked.items()}
        if not unknown:
            return []
        found: list[Observation] = list(await self._ended(list(unknown)))
        comes_again = await unacked.of_dead(unknown)
        self._looks.update(dict.fromkeys(comes_again, LOOKS))
        at = self._clock.now()
        return found + [TaskRedelivered(id=task_id, at=at, reason=reason) for task_id, reason in comes_again.items()]

    async def _living(self, node: Node, open_tasks: list[str], absent: dict[str, int], mailbox: Mailbox) -> list[Observation]:
        holdings = self._inspector.holdings
        held = holdings.of.get(node.name)
        if held is None:
            return []
        scheduled = holdings.scheduled.get(node.name, set())
        self._missing.difference_update(held)
        gone: list[str] = []
        for task_id in open_tasks:
            if task_id in held or task_id in scheduled or task_id in self._missing:
                continue
            absent[task_id] = self._absent.get(task_id, 0) + 1
            if absent[task_id] >= ROUNDS:
                gone.append(task_id)
        return await self._nowhere(node.name, gone[:QUERIED_IDS], absent, mailbox) if gone else []

    async def _nowhere(self, worker: str, task_ids: list[str], absent: dict[str, int], mailbox: Mailbox) -> list[Observation]:
        ended = await self._ended(task_ids)
        ids = [task_id for task_id in task_ids if task_id not in {result.id for result in ended}]
        if not ids:
            return list(ended)
        question = Question("query_task", {"ids": ids}, destination=(worker,))
        answers = await mailbox.ask([question], expected=(worker,))
        known = self._decoder.queried(answers.replies["query_task"].get(worker))
        if known is None:
            return list(ended)
        at = self._clock.now()
        missing = [task_id for task_id in ids if known.get(task_id, ("ready", None))[0] == "ready"]
        self._missing.update(missing)
        absent.update(dict.fromkeys(known, 0))
        reason = "its worker does not hold it any more, and no outcome was seen"
        return [*ended, *(TaskMissing(id=task_id, at=at, reason=reason, worker=worker) for task_id in missing)]

    async def _ended(self, task_ids: list[str]) -> list[TaskResult]:
        results = await self._results.fetch(task_ids)
        return [result for result in results.values() if result.status in FINAL]

    async def _sweep(self, view: View, now: float) -> list[Observation]:
        if now - self._swept_at < SWEEP_SECONDS or not self._results.readable:
            return []
        self._swept_at = now
        return list(await self._ended(view.open_tasks()[:SWEPT]))

    def _keep_open(self, view: View) -> None:
        if len(self._missing) > WAITING_LOOKED_AT:
            self._missing &= set(view.open_tasks())

    # ------------------------------------------------------------------------------------------------ waiting tasks

    async def waiting(self, view: View, in_queues: Callable[[int], Awaitable[set[str] | None]]) -> list[Observation]:
        """Tasks that are said to wait but lie in no queue and with no worker: purged, or ended unseen.

        `in_queues` tells the ids of all messages, None if it cannot (`Broker.waiting_ids`).
        """
        now = self._clock.monotonic()
        if now - self._waiting_at < WAITING_SECONDS:
            return []
        self._waiting_at = now
        held = self._inspector.holdings.everywhere()
        candidates = [task_id for task_id in view.queued_tasks(WAITING_LOOKED_AT) if task_id not in held]
        # A worker that is there and does not answer may hold any of them.
        unsure = not self._complete and any(node.missed and not node.offline for node in self._roster.nodes.values())
        ids = await in_queues(len(candidates)) if candidates and not unsure else None
        if ids is None:
            self._waiting_absent.clear()
            return []
        return await self._absent_waiting((task_id for task_id in candidates if task_id not in ids), now)

    async def _absent_waiting(self, task_ids: Iterable[str], now: float) -> list[Observation]:
        before = self._waiting_absent
        looked = ((task_id, *before.get(task_id, (0, now))) for task_id in task_ids)
        self._waiting_absent = {task_id: (looks + 1, since) for task_id, looks, since in looked}
        often = [task_id for task_id, (looks, _) in self._waiting_absent.items() if looks > ROUNDS]
        gone = [task_id for task_id in often if self._is_asked_for(task_id)]
        if not gone:
            return []
        ended = await self._ended(gone)
        self._missing.update(gone)
        at = self._clock.now()
        known = {result.id for result in ended}
        missing = [
            TaskMissing(id=i, at=at, reason="it is in no queue and with no worker any more") for i in gone if i not in known
        ]
        return [*ended, *missing]

    def _is_asked_for(self, task_id: str) -> bool:
        """Whether every worker was asked for all that it holds since the task was first absent: it may just have taken it.

        Those with an ETA are in no queue and not reserved for as long as that takes (RabbitMQ does not show them at all).
        """
        if task_id in self._missing:
            return False
        _, since = self._waiting_absent[task_id]
        if self._inspector.scheduled_asked_at < since:
            self._inspector.ask_scheduled()
            return False
        return self._inspector.asked_at >= since
