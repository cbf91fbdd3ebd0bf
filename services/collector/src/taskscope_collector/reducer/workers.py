"""The workers: what they said, and what follows from their silence.

Everything is the latest by the time of what was said, whatever the order in which it came; conclusions are drawn once a
second in `tick`, from what is known then.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from msgspec.structs import replace
from taskscope_shared.model import Engine, Worker, WorkerState

from taskscope_collector.observations import InspectReply, InspectRound, WorkerBeat, WorkerGone, WorkerSeen

T = TypeVar("T")

SILENT_REASON = "worker is silent; a busy solo worker cannot answer"
DEFAULT_FREQ = 2.0
STALE_SECONDS = 6.0
"""No worker is missed sooner, whatever its heartbeat."""
STALE_BEATS = 3
ROUNDS = 2
"""Inspect rounds in a row that a worker has to be absent from."""
NO_ROUNDS_SECONDS = 12.0
"""Where nobody inspects, silence alone decides, but after this time only."""
OFFLINE_REPLY_SECONDS = 2.0
"""A reply that comes so soon after the goodbye was under way."""
COLD_SECONDS = 5.0
"""How long what a worker had when it said goodbye (or started anew) may take to be seen elsewhere."""
KEPT_SECONDS = 3600.0
KEPT = 2_000
"""Workers remembered that are gone: names of pods come without end."""


class Seen(msgspec.Struct, gc=False):
    """What is known of one worker. Times are those of the observations; `pid_at` is when it was first seen with its pid."""

    worker: Worker
    freq: float = DEFAULT_FREQ
    beat_at: float = 0.0
    reply_at: float = 0.0
    pid_at: float = 0.0
    # Its latest start under the same name and pid, as in a container that was started anew.
    born_at: float = 0.0
    clock: int = 0
    offline_at: float = 0.0
    gone_at: float = 0.0

    @property
    def alive_at(self) -> float:
        """Its last sign of life."""
        return max(self.beat_at, self.reply_at)


class Workers:
    """All workers of a source."""

    def __init__(self, source: str, engine: Engine) -> None:
        self._source = source
        self._engine = engine
        self.seen: dict[str, Seen] = {}
        self.changed: dict[str, None] = {}
        self.removed: list[str] = []
        self._rounds: list[InspectRound] = []
        self._connected_at = 0.0

    # --------------------------------------------------------------------------------------------------- observations

    def beat(self, beat: WorkerBeat) -> None:
        """A Celery worker's heartbeat, hello or goodbye."""
        seen = self._of(beat.hostname)
        self._pid(seen, beat.pid, beat.at)
        if beat.type == "worker-offline":
            seen.offline_at = max(seen.offline_at, beat.at)
        elif beat.at > seen.beat_at:
            if 0 < beat.clock < seen.clock:  # a clock only goes back where a process began anew
                seen.born_at = beat.at
                self._begin_anew(seen)
            seen.beat_at, seen.clock = beat.at, beat.clock
            # The answer to a request for a heartbeat has another freq, and none of the figures.
            if beat.freq is not None and beat.active is not None:
                seen.freq = beat.freq
            self._said(seen, beat)
        self._judge(seen)

    def _said(self, seen: Seen, beat: WorkerBeat) -> None:
        worker = seen.worker
        skew = beat.timestamp - beat.at if beat.timestamp else 0.0
        self._put(
            seen,
            replace(
                worker,
                heartbeat_at=beat.at,
                hostname=beat.hostname.partition("@")[2] or worker.hostname,
                active=_known(beat.active, worker.active),
                processed=_known(beat.processed, worker.processed),
                load=(beat.loadavg[0], beat.loadavg[1], beat.loadavg[2])
                if beat.loadavg and len(beat.loadavg) > 2
                else worker.load,
                version=worker.version or _version(beat),
                clock_skew_seconds=round(skew, 3) if abs(skew) >= 0.001 else worker.clock_skew_seconds and 0.0,
            ),
        )

    def reply(self, reply: InspectReply) -> None:
        """A Celery worker answered an inspect round."""
        seen = self._of(reply.worker)
        self._pid(seen, reply.pid or 0, reply.at)
        if reply.at <= seen.reply_at or reply.at <= seen.offline_at + OFFLINE_REPLY_SECONDS:
            return
        seen.reply_at = reply.at
        worker = seen.worker
        if (reply.started_at or 0.0) > (worker.started_at or reply.started_at or 0.0) + COLD_SECONDS:
            seen.born_at = max(seen.born_at, reply.started_at or 0.0)
        held = [task.id for task in reply.active] if reply.active is not None else None
        self._put(
            seen,
            replace(
                worker,
                hostname=worker.hostname or reply.worker.partition("@")[2] or None,
                pool=_known(reply.pool, worker.pool),
                concurrency=_known(reply.concurrency, worker.concurrency),
                prefetch=_known(reply.prefetch, worker.prefetch),
                queues=_known(reply.queues, worker.queues),
                processed=_known(reply.processed, worker.processed),
                version=_known(reply.version, worker.version),
                started_at=_known(reply.started_at, worker.started_at),
                events=_known(reply.events, worker.events),
                # A collector that was started anew only sees that they are on already; the state remembers who did that.
                events_enabled_by_us=reply.events_enabled_by_us or (worker.events_enabled_by_us and reply.events is not False),
                active=worker.active if held is None else len(held),
                reserved=worker.reserved if reply.reserved is None else len(reply.reserved),
                current=worker.current if held is None else tuple(held[:100]),
            ),
        )
        self._judge(seen)

    def round(self, inspected: InspectRound) -> None:
        """An inspect round is over."""
        self._rounds = sorted([*self._rounds, inspected], key=lambda one: one.at)[-10:]

    def said_whole(self, observation: WorkerSeen) -> None:
        """An RQ worker as its source read it; None keeps what was known."""
        seen = self._of(observation.worker.name)
        if observation.at < seen.beat_at:
            return
        seen.beat_at = observation.at
        known = {
            name: value
            for name in Worker.__struct_fields__
            if (value := getattr(observation.worker, name)) is None and getattr(seen.worker, name) is not None
        }
        kept = {name: getattr(seen.worker, name) for name in known}
        self._put(seen, replace(observation.worker, **kept))

    def gone(self, observation: WorkerGone) -> None:
        """A source says that a worker is not there any more."""
        seen = self._of(observation.name)
        if observation.clean:
            seen.offline_at = max(seen.offline_at, observation.at)
        else:
            seen.gone_at = max(seen.gone_at, observation.at)
        self._judge(seen)
        if observation.detail is not None and seen.worker.state in (WorkerState.OFFLINE, WorkerState.LOST):
            self._put(seen, replace(seen.worker, detail=observation.detail))

    def reconnected(self, at: float) -> None:
        """Silence before this moment is our own deafness."""
        self._connected_at = max(self._connected_at, at)

    # ----------------------------------------------------------------------------------------------------- conclusions

    def tick(self, now: float) -> None:
        """Miss the silent ones, forget those long gone."""
        for seen in self.seen.values():
            if self._engine is Engine.CELERY:
                self._miss(seen, now)
        self._forget(now)

    def _miss(self, seen: Seen, now: float) -> None:
        if seen.worker.state not in (WorkerState.ONLINE, WorkerState.SILENT):
            return
        since = max(seen.alive_at, self._connected_at)
        rounds = [one for one in self._rounds if one.at > since and seen.worker.name not in one.replied]
        if not _is_stale(seen, now - since, len(rounds), inspected=self._is_inspected(now)):
            return
        last = rounds[-1] if rounds else None
        all_answered = last is not None and last.subscribed is not None and last.subscribed <= len(last.replied)
        busy_solo = seen.worker.pool is None or "solo" in seen.worker.pool
        state = WorkerState.SILENT if busy_solo and not all_answered else WorkerState.LOST
        if state is not seen.worker.state:
            self._put(seen, replace(seen.worker, state=state, detail=SILENT_REASON if state is WorkerState.SILENT else None))

    def _is_inspected(self, now: float) -> bool:
        return bool(self._rounds) and self._rounds[-1].at > now - 60

    def _forget(self, now: float) -> None:
        gone = [seen for seen in self.seen.values() if seen.worker.state in (WorkerState.OFFLINE, WorkerState.LOST)]
        gone.sort(key=_last_sign)
        over = max(len(gone) - KEPT, 0)
        for index, seen in enumerate(gone):
            if index < over or _last_sign(seen) < now - KEPT_SECONDS:
                name = seen.worker.name
                del self.seen[name]
                self.changed.pop(name, None)
                self.removed.append(name)

    def _judge(self, seen: Seen) -> None:
        """The state as far as it was said."""
        state = WorkerState.ONLINE
        if seen.offline_at and seen.offline_at >= seen.alive_at:
            state = WorkerState.OFFLINE
        elif seen.gone_at and seen.gone_at >= seen.alive_at:
            state = WorkerState.LOST
        if state is not seen.worker.state:
            self._put(seen, replace(seen.worker, state=state, detail=None))

    # ---------------------------------------------------------------------------------------------------------- inside

    def load(self, workers: Iterable[Worker]) -> None:
        """As they were written before a restart; their silence counts from now on."""
        for worker in workers:
            seen = self.seen[worker.name] = Seen(worker, beat_at=worker.heartbeat_at or 0.0)
            if worker.state in (WorkerState.OFFLINE, WorkerState.LOST):
                seen.gone_at = max(seen.beat_at, 1.0)

    def inherit(self, workers: Iterable[Worker]) -> None:
        """Remember whose events another collector switched on: they say that they are on, and not who did it."""
        for worker in workers:
            seen = self.seen.get(worker.name)
            if seen is None or not worker.events_enabled_by_us:
                continue
            if seen.worker.events is not False and seen.worker.pid in (None, worker.pid):
                self._put(seen, replace(seen.worker, events=True, events_enabled_by_us=True))

    def drain(self) -> tuple[list[Worker], list[str]]:
        """Who changed and who was forgotten since the last time."""
        changed = [self.seen[name].worker for name in self.changed if name in self.seen]
        removed, self.changed, self.removed = self.removed, {}, []
        return changed, removed

    def _of(self, name: str) -> Seen:
        seen = self.seen.get(name)
        if seen is None:
            worker = Worker(name, self._source, self._engine, WorkerState.ONLINE)
            seen = self.seen[name] = Seen(worker)
            self.changed[name] = None
        return seen

    def _pid(self, seen: Seen, pid: int, at: float) -> None:
        if pid and at >= seen.pid_at and pid != seen.worker.pid:
            seen.pid_at = at
            self._put(seen, replace(seen.worker, pid=pid))
            self._begin_anew(seen)
        elif pid and pid == seen.worker.pid and at < seen.pid_at:
            seen.pid_at = at

    def _begin_anew(self, seen: Seen) -> None:
        """Another process: what was switched on in the one before is off again; what this one has on, others told it."""
        if seen.worker.events is not None:
            self._put(seen, replace(seen.worker, events=None, events_enabled_by_us=False))

    def _put(self, seen: Seen, worker: Worker) -> None:
        if worker != seen.worker:
            seen.worker = worker
            self.changed[worker.name] = None


def _last_sign(seen: Seen) -> float:
    return max(seen.alive_at, seen.offline_at, seen.gone_at)


def _is_stale(seen: Seen, silent_seconds: float, absent: int, *, inspected: bool) -> bool:
    limit = max(STALE_BEATS * seen.freq, STALE_SECONDS)
    if inspected:
        return silent_seconds > limit and absent >= ROUNDS
    return seen.beat_at > 0 and silent_seconds > max(limit, NO_ROUNDS_SECONDS)


def _known(new: T | None, old: T | None) -> T | None:
    return old if new is None else new


def _version(beat: WorkerBeat) -> str | None:
    return f"{beat.sw_ident or 'py-celery'} {beat.sw_ver}" if beat.sw_ver else None
