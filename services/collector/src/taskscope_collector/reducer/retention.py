"""Which tasks are remembered, by what they count against, and which changed since the last drain.

Finished and failed tasks have budgets of their own and an age; waiting ones a ceiling, beyond which they are only counted;
open ones are bounded by the workers and never leave for age. What is evicted stays in a grave for a while, where late facts
correct what it contributed to the rollups, and then its id is remembered for a while, so that a late event does not bring
its task back as a torso.
"""

from collections import deque
from functools import partial
from itertools import islice, takewhile
from typing import Final

import msgspec

from taskscope_collector.reducer.record import LANE_OF, Draft, Lane, Record

# The hot path looks at these for each event; a member of an enum is found more slowly.
_NEW: Final = Lane.NEW
_OPEN: Final = Lane.OPEN
_WAITING: Final = Lane.WAITING
_GONE: Final = Lane.GONE

TOMBSTONES = 40_000
"""Ids remembered of tasks that left their graves, about 170 bytes each."""
GRAVES_SHARE = 6
"""Graves are a sixth of the budgets of ended tasks: 20,000 of 120,000.

A grave of one attempt is 850 bytes: 17 MB, or up to twice that with retries."""
LEAST_GRAVES = 1_000
FULL = 0.9
"""A budget of which so much is used was used up before: tasks that are run again leave it."""
ATTEMPTS_OF_A_GRAVE = 3
"""A grave whose task has more attempts in its history counts as two, and so on: each is about 350 bytes."""
SETTLE_SECONDS = 15.0
"""How long after its end a task keeps its facts, to be folded again when another one comes late."""
UNSETTLED = 20_000
"""Ended tasks that keep their facts, at most: under high rates they settle sooner."""


class Budgets(msgspec.Struct, frozen=True):
    """One source's share."""

    finished: int
    failed: int
    queued: int
    seconds: float


class Books:
    """All records of a source, indexed by lane."""

    def __init__(self, budgets: Budgets) -> None:
        self.budgets = budgets
        self.records: dict[str, Record] = {}
        # Those that may be evicted, oldest in their lane first.
        self.lines: dict[Lane, dict[str, Record]] = {Lane.WAITING: {}, Lane.FINISHED: {}, Lane.FAILED: {}}
        self.waiting = self.lines[Lane.WAITING]
        # By worker ("": not known): reserved and running ones, and those that a worker holds back for their time.
        self.held: dict[str, dict[str, Record]] = {}
        self.dirty: deque[Record] = deque()
        self.removed: list[str] = []
        self.fresh: list[Record] = []
        self.evicted = 0
        self.late = 0
        self.uncounted = 0
        # Contributions of evicted tasks that were given up, because they could not be written for too long.
        self.given_up = 0
        # What ended before is not begun anew: by lane, and for its age.
        self.horizons: dict[Lane, float] = {}
        self.oldest = 0.0
        self.graves: dict[str, Record] = {}
        self._graves_limit = max(LEAST_GRAVES, (budgets.finished + budgets.failed) // GRAVES_SHARE)
        self._graves_size = 0
        self._big_graves: dict[str, int] = {}
        self._unsettled: deque[tuple[float, list[Record]]] = deque()
        self._unsettled_count = 0
        self._tombs: dict[str, None] = {}
        self._old_tombs: dict[str, None] = {}

    # ------------------------------------------------------------------------------------------------------- changes

    def is_evicted(self, id_: str) -> bool:
        """Whether the task was remembered once, but is not even in its grave; counts what comes of it now as late."""
        if id_ in self._tombs or id_ in self._old_tombs:
            self.late += 1
            return True
        return False

    def disturbed(self, id_: str) -> Record | None:
        """The record of an evicted task, to correct what it contributed; counts what comes of it now as late."""
        record = self.graves.get(id_)
        if record is not None:
            self.late += 1
        return record

    def is_too_old(self, lane: Lane, ended_at: float) -> bool:
        """Whether an unknown task that ended then would be the first to be evicted; counts it as late.

        It may have been evicted already, before this collector started, or longer ago than ids are remembered.
        """
        if ended_at < self.oldest or ended_at < self.horizons.get(lane, 0.0):
            self.late += 1
            return True
        return False

    def look_back(self) -> None:
        """After the stored tasks were loaded: where a budget is used up, what ended before all of them was evicted once."""
        for lane, budget in ((Lane.FINISHED, self.budgets.finished), (Lane.FAILED, self.budgets.failed)):
            line = self.lines[lane]
            if len(line) >= FULL * budget:
                self.horizons[lane] = min((_ended_at(record) for record in line.values()), default=0.0)

    def has_room_to_wait(self) -> bool:
        """Whether one more waiting task may be remembered; counts it where not."""
        if len(self.waiting) < self.budgets.queued:
            return True
        self.uncounted += 1
        return False

    def touch(self, record: Record) -> None:
        """After its draft changed: it is to be written, and counts against what its state says."""
        self.mark(record)
        lane = LANE_OF[record.draft.state]
        if lane is not record.lane or _holder(record.draft, lane) != record.held_by:
            self.move(record, lane)

    def mark(self, record: Record) -> None:
        """It is to be written."""
        if not record.dirty:
            record.dirty = True
            self.dirty.append(record)

    def move(self, record: Record, lane: Lane) -> None:
        """From its lane to another one (or, open, to another worker)."""
        if record.lane is _GONE:
            return  # a late fact does not bring it back
        draft, id_ = record.draft, record.draft.id
        self._leave(record, id_)
        record.lane = lane
        if lane is _OPEN:
            self._hold(record, id_, draft.worker or "")
        elif lane is _WAITING:
            self.waiting[id_] = record
            if draft.received_at is not None and draft.finished_at is None and draft.worker is not None:
                self._hold(record, id_, draft.worker)
        else:
            self.lines[lane][id_] = record
            self.fresh.append(record)

    def _leave(self, record: Record, id_: str) -> None:
        lane = record.lane
        if lane is _WAITING:
            del self.waiting[id_]
        elif lane is not _OPEN and lane is not _NEW:
            del self.lines[lane][id_]
        if record.held_by is not None:
            del self.held[record.held_by][id_]
            record.held_by = None

    def _hold(self, record: Record, id_: str, worker: str) -> None:
        held = self.held.get(worker)
        if held is None:
            held = self.held[worker] = {}
        held[id_] = record
        record.held_by = worker

    def add(self, draft: Draft) -> Record:
        """A new task; `touch` it when its state is known."""
        record = Record(draft, facts=[])
        self.records[draft.id] = record
        return record

    # ---------------------------------------------------------------------------------------------------------- once a second

    def settle(self, now: float) -> None:
        """Let those forget their facts that ended long enough ago, or are too many."""
        if self.fresh:
            self._unsettled.append((now, self.fresh))
            self._unsettled_count += len(self.fresh)
            self.fresh = []
        while self._unsettled and (self._unsettled[0][0] < now - SETTLE_SECONDS or self._unsettled_count > UNSETTLED):
            _, records = self._unsettled.popleft()
            self._unsettled_count -= len(records)
            for record in records:
                if record.lane is Lane.FINISHED or record.lane is Lane.FAILED:
                    record.forget()
                elif record.lane is _GONE:
                    record.forget()
                    record.strip()

    def evict(self, now: float) -> None:
        """Remove what is beyond the budgets or too old."""
        self.oldest = now - self.budgets.seconds
        for lane, budget in ((Lane.FINISHED, self.budgets.finished), (Lane.FAILED, self.budgets.failed)):
            line = self.lines[lane]
            over = len(line) - budget
            leaving = list(islice(line.values(), max(over, 0)))
            leaving += takewhile(partial(_is_old, before=self.oldest), islice(line.values(), len(leaving), None))
            for record in leaving:
                self._remove(record)
        self._evict_waiting()
        for worker in [worker for worker, held in self.held.items() if not held]:
            del self.held[worker]
        if len(self.dirty) > len(self.records) + 2 * self._graves_limit:
            self._give_up()

    def _evict_waiting(self) -> None:
        over = len(self.waiting) - self.budgets.queued
        if over > 0:  # tasks that came back from a worker are not asked whether there is room
            for record in list(islice(reversed(self.waiting.values()), over)):
                self._remove(record)
                self.uncounted += 1
        elif len(self.waiting) < self.budgets.queued * 0.9:
            self.uncounted = 0

    def _remove(self, record: Record) -> None:
        id_ = record.draft.id
        self._leave(record, id_)
        record.lane = Lane.GONE
        del self.records[id_]
        self.removed.append(id_)
        self.evicted += 1
        record.strip()
        self.exhume(id_)
        self.graves[id_] = record
        self._graves_size += 1
        if record.draft.history:
            self._big_graves[id_] = more = len(record.draft.history) // ATTEMPTS_OF_A_GRAVE
            self._graves_size += more
        while self._graves_size > self._graves_limit:
            self._close(next(iter(self.graves)))

    def _close(self, id_: str) -> None:
        """Of what was in the grave the id alone is remembered."""
        self.exhume(id_)
        self._tombs[id_] = None
        if len(self._tombs) > TOMBSTONES // 2:
            self._old_tombs, self._tombs = self._tombs, {}

    def close_graves(self) -> None:
        """What evicted tasks contributed is another's doing from now on."""
        for id_ in list(self.graves):
            self._close(id_)

    def exhume(self, id_: str) -> None:
        """The task is there after all: the one who wrote the state before had kept it."""
        if self.graves.pop(id_, None) is not None:
            self._graves_size -= 1 + self._big_graves.pop(id_, 0)

    def _give_up(self) -> None:
        """While nothing can be written, evicted tasks must not pile up: those that left their graves are not counted."""
        kept = [record for record in self.dirty if record.lane is not _GONE or record.draft.id in self.graves]
        self.given_up += len(self.dirty) - len(kept)
        self.dirty = deque(kept)

    # --------------------------------------------------------------------------------------------------------- questions

    def open_ids(self, limit: int) -> list[str]:
        """Reserved and running ones, those that changed last at the end."""
        records = [record for held in self.held.values() for record in held.values() if record.lane is Lane.OPEN]
        records.sort(key=lambda record: record.draft.updated_at)
        return [record.draft.id for record in records[:limit]]


def _holder(draft: Draft, lane: Lane) -> str | None:
    if lane is Lane.OPEN:
        return draft.worker or ""
    waits = lane is Lane.WAITING and draft.received_at is not None and draft.finished_at is None
    return draft.worker if waits else None


def _is_old(record: Record, before: float) -> bool:
    return _ended_at(record) < before


def _ended_at(record: Record) -> float:
    ended = record.draft.finished_at
    return record.draft.updated_at if ended is None else ended
