"""What the pipeline needs of the reduced state of a source: `reducer.state.SourceState`, or a small one in a test."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from taskscope_shared.model import Queue, Source, Task, Worker

from taskscope_collector.observations import Observation, View
from taskscope_collector.reducer.record import Record

UNKNOWN: tuple[object, ...] = ("unknown",)
"""`contributed` of a record whose stored version is another's doing: it is looked up before the record is written."""


class Drained(Protocol):
    """What changed since the last drain."""

    # Those that were evicted (`Lane.GONE`) are not written: what they contribute may have changed.
    @property
    def tasks(self) -> Sequence[Record]: ...  # noqa: D102
    @property
    def removed(self) -> list[str]: ...  # noqa: D102
    @property
    def workers(self) -> list[Worker]: ...  # noqa: D102
    @property
    def removed_workers(self) -> list[str]: ...  # noqa: D102
    @property
    def queues(self) -> list[Queue]: ...  # noqa: D102
    @property
    def removed_queues(self) -> list[str]: ...  # noqa: D102
    @property
    def health_changed(self) -> bool: ...  # noqa: D102


class Reduced(View, Protocol):
    """The state; `docs/architecture.md` ("The reducer") says what it does."""

    def apply_batch(self, batch: list[Observation]) -> None:
        """Take what a source saw."""
        ...

    def tick(self, now: float) -> None:
        """Conclude from the time that went by; once a second."""
        ...

    def load(self, tasks: Iterable[Task], workers: Iterable[Worker], queues: Iterable[Queue]) -> None:
        """Begin with what was stored."""
        ...

    def drain(self, limit: int | None = None) -> Drained:
        """What changed since the last drain, at most `limit` tasks of it; it does not count as changed any more."""
        ...

    def remark(self, records: Iterable[Record], removed: Iterable[str]) -> None:
        """These have to be written after all."""
        ...

    def mark_all(self) -> None:
        """Everything has to be written anew; what evicted tasks contributed is not known any more."""
        ...

    def counted_queues(self) -> list[Queue]:
        """The queues as their broker counted them last."""
        ...

    def inherit_workers(self, workers: Iterable[Worker]) -> None:
        """Workers as another collector wrote them: it may have switched their events on."""
        ...

    def inherit_queues(self, queues: Iterable[Queue]) -> None:
        """Queues as another collector wrote them, with how deep they were."""
        ...

    def inherit(self, record: Record, task: Task) -> bool:
        """Give a record what is stored of it and was not seen here; whether that was anything."""
        ...

    def source_health(self, now: float) -> Source:
        """The source's health."""
        ...
