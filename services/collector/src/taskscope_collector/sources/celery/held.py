"""What workers answer to `active`, `reserved`, `scheduled`, `stats` and `active_queues`, decoded (celery.worker.control)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import msgspec

from taskscope_collector.observations import TaskHeld
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.decode import Malformed
from taskscope_collector.sources.celery.results import epoch
from taskscope_collector.sources.celery.skew import ClockSkew

_Read = TypeVar("_Read")
Where = Literal["active", "reserved", "scheduled"]

POOLS = {"thread": "threads"}
"""Module of a pool -> its name on the command line, where they differ."""


class _Delivery(msgspec.Struct, gc=False):
    exchange: str | None = None
    routing_key: str | None = None
    priority: int | None = None
    redelivered: bool | None = None


class Info(msgspec.Struct, gc=False):
    """A task as a worker describes it (celery.worker.request.Request.info)."""

    id: str
    name: str | None = None
    args: Any = None
    kwargs: Any = None
    time_start: float | None = None
    acknowledged: bool | None = None
    delivery_info: _Delivery | None = None
    worker_pid: int | None = None


class _Scheduled(msgspec.Struct, gc=False):
    request: Info
    eta: str | None = None
    priority: int | None = None


class _Exchange(msgspec.Struct, gc=False):
    name: str | None = None


class QueueInfo(msgspec.Struct, gc=False):
    """A queue that a worker consumes from."""

    name: str
    exchange: _Exchange | None = None
    routing_key: str | None = None


class _Pool(msgspec.Struct, gc=False):
    implementation: str | None = None
    concurrency: int | None = msgspec.field(default=None, name="max-concurrency")


class Stats(msgspec.Struct, gc=False):
    """What is used of `stats`."""

    pool: _Pool | None = None
    total: dict[str, int] = msgspec.field(default_factory=dict)
    pid: int | None = None
    uptime: float | None = None
    prefetch_count: int | None = None

    def pool_name(self) -> str | None:
        """As `--pool` calls it: `celery.concurrency.prefork:TaskPool` is "prefork"."""
        if self.pool is None or not self.pool.implementation:
            return None
        module = self.pool.implementation.partition(":")[0].rpartition(".")[2]
        return POOLS.get(module, module)


@dataclass
class Bindings:
    """Which queue a message went to, by exchange and routing key; the workers' own queues tell."""

    of: dict[tuple[str, str], str] = field(default_factory=dict)

    def learn(self, queues: Iterable[QueueInfo]) -> None:
        """A worker consumes from these."""
        for queue in queues:
            if queue.exchange is not None and queue.exchange.name:
                self.of[(queue.exchange.name, queue.routing_key or "")] = queue.name

    def queue(self, delivery: _Delivery | None) -> str | None:
        """The queue's name where it is certain."""
        if delivery is None or not delivery.routing_key:
            return None
        if not delivery.exchange:
            return delivery.routing_key
        return self.of.get((delivery.exchange, delivery.routing_key))


class ReplyDecoder:
    """Decodes the answers; what cannot be read is counted and None."""

    def __init__(self, redactor: Redactor, skew: ClockSkew, malformed: Malformed, bindings: Bindings) -> None:
        self._redactor = redactor
        self._skew = skew
        self._malformed = malformed
        self.bindings = bindings
        self._infos = msgspec.json.Decoder(list[Info]).decode
        self._etas = msgspec.json.Decoder(list[_Scheduled]).decode
        self._stats = msgspec.json.Decoder(Stats).decode
        self._queues = msgspec.json.Decoder(list[QueueInfo]).decode
        self._queried = msgspec.json.Decoder(dict[str, tuple[str, Info]]).decode
        self._spoken = msgspec.json.Decoder(dict[str, Any]).decode

    def infos(self, raw: msgspec.Raw | None) -> list[Info] | None:
        """An answer to `active` or `reserved`."""
        return self._read("inspect tasks", self._infos, raw)

    def etas(self, raw: msgspec.Raw | None) -> list[tuple[Info, float | None]] | None:
        """An answer to `scheduled`: tasks with their time."""
        scheduled = self._read("inspect scheduled", self._etas, raw)
        return None if scheduled is None else [(entry.request, epoch(entry.eta)) for entry in scheduled]

    def stats(self, raw: msgspec.Raw | None) -> Stats | None:
        """An answer to `stats`."""
        return self._read("inspect stats", self._stats, raw)

    def queues(self, raw: msgspec.Raw | None) -> list[QueueInfo] | None:
        """An answer to `active_queues`."""
        return self._read("inspect active_queues", self._queues, raw)

    def queried(self, raw: msgspec.Raw | None) -> dict[str, tuple[str, Info]] | None:
        """An answer to `query_task`: id -> (state, task)."""
        return self._read("inspect query_task", self._queried, raw)

    def spoken(self, raw: msgspec.Raw | None) -> str:
        """The sentence of a control command's `{"ok": ...}` or `{"error": ...}`."""
        answer = self._read("control answer", self._spoken, raw) or {}
        return str(answer.get("ok") or answer.get("error") or "")

    def held(self, info: Info, worker: str, where: Where, at: float, seen_at: float, eta_at: float | None = None) -> TaskHeld:
        """The observation that `worker` holds the task."""
        delivery = info.delivery_info
        started = info.time_start - self._skew.of(worker) if info.time_start and where == "active" else None
        return TaskHeld(
            id=info.id,
            worker=worker,
            where=where,
            at=at,
            seen_at=seen_at,
            name=info.name,
            args=self._shown(tuple(info.args) if isinstance(info.args, list) else info.args),
            kwargs=self._shown(info.kwargs),
            queue=self.bindings.queue(delivery),
            started_at=started,
            eta_at=eta_at,
            redelivered=delivery.redelivered if delivery else None,
            priority=delivery.priority if delivery else None,
            pid=info.worker_pid,
        )

    def _shown(self, value: object) -> str | None:
        if value is None:
            return None
        return self._redactor.text(value) if isinstance(value, str) else self._redactor.value(value)

    def _read(self, kind: str, decode: Callable[[bytes | str], _Read], raw: msgspec.Raw | None) -> _Read | None:
        if raw is None:
            return None
        try:
            return decode(raw)
        except msgspec.MsgspecError as error:
            self._malformed.count(kind, error)
            return None
