"""The cells of one bucket of the rollups, by label: how attempts are counted in them and taken out again."""

from collections import Counter
from collections.abc import Iterable, Iterator

from taskscope_shared.cells import (
    EXAMPLES,
    OUTCOME_OF,
    Cell,
    Example,
    Sketch,
    bucket_of,
    encode_cell,
    keep_latest,
    keep_slowest,
)
from taskscope_shared.model import State

from taskscope_collector.contributions import Contribution

LABELS = {"name": 500, "queue": 200, "worker": 500, "source": 1}
"""Labels a bucket, by marginal; attempts under any further one are counted under OTHER."""
OTHER = "other"

_FAILED = OUTCOME_OF[State.FAILED]

Sample = tuple[str, Contribution, int | None, int, int | None, int]
"""(task id, contribution, runtime's bucket and microseconds, wait's bucket and microseconds)"""


class Cells:
    """The cells of one bucket, all of them; `changed` are those that have to be written."""

    def __init__(self, cells: dict[str, Cell | None]) -> None:
        self.cells = cells
        self.changed: set[str] = set()
        self._dropped: set[str] = set()
        self._labels = _labels(cells)

    def drop(self) -> None:
        """Begin with no cells; those that were there are to be removed, but for those that cannot be read."""
        self._dropped = {field for field, cell in self.cells.items() if cell is not None}
        self.changed.clear()
        self.cells = dict.fromkeys(self.cells.keys() - self._dropped)
        self._labels = _labels(self.cells)

    def take(self, marginal: str, label: str) -> Cell | None:
        """The cell of a label, made if there is room, else that of the others; None for one that cannot be read."""
        field = f"{marginal}:{label}"
        if field not in self.cells:
            field = self._admit(marginal, field)
        self.changed.add(field)
        return self.cells[field]

    def _admit(self, marginal: str, field: str) -> str:
        if self._labels[marginal] >= LABELS[marginal]:
            field = f"{marginal}:{OTHER}"
        if field not in self.cells:
            self._labels[marginal] += 1
            self.cells[field] = Cell()
        return field

    def measured(self, name: str | None, queue: str | None) -> list[Cell]:
        """The cells that hold durations of an attempt."""
        cells = [self.take("source", "")]
        if name is not None:
            cells.append(self.take("name", name))
        if queue is not None:
            cells.append(self.take("queue", queue))
        return [cell for cell in cells if cell is not None]

    def add(self, samples: list[Sample]) -> None:
        """Count all `samples`."""
        names: dict[tuple[str, str], list[Sample]] = {}
        queues: dict[str, list[Sample]] = {}
        workers: dict[tuple[str, int], int] = {}
        for sample in samples:
            _, _, outcome, _, _, name, kind, queue, worker, _ = sample[1]
            if name is not None:
                names.setdefault((name, kind), []).append(sample)
            if queue is not None:
                queues.setdefault(queue, []).append(sample)
            if worker is not None:
                workers[worker, outcome] = workers.get((worker, outcome), 0) + 1
        self._fill("source", "", samples)
        for (name, kind), own in names.items():
            self._fill("name", name, own, kind)
        for queue, own in queues.items():
            self._fill("queue", queue, own)
        for (worker, outcome), count in workers.items():
            if (cell := self.take("worker", worker)) is not None:
                cell.counts[outcome] += count

    def _fill(self, marginal: str, label: str, samples: list[Sample], kind: str | None = None) -> None:
        cell = self.take(marginal, label)
        if cell is not None:
            cell.kind = kind
            _fill(cell, samples)

    def take_back(self, id_: str, contribution: Contribution) -> None:
        """Count an attempt no more."""
        _, at, outcome, runtime, wait, name, _, queue, worker, _ = contribution
        for cell in self.measured(name, queue):
            cell.counts[outcome] -= 1
            if runtime is not None:
                cell.runtime.add(runtime, -1)
            if wait is not None:
                cell.wait.add(wait, -1)
            cell.slowest = [each for each in cell.slowest if (each.id, each.at) != (id_, at)]
            cell.failed = [each for each in cell.failed if (each.id, each.at) != (id_, at)]
        if worker is not None and (counted := self.take("worker", worker)) is not None:
            counted.counts[outcome] -= 1

    def merge(self, other: "Cells") -> Iterator[None]:
        """Add all of `other`, yielding after each cell."""
        for field, cell in other.cells.items():
            marginal, _, label = field.partition(":")
            into = self.take(marginal, label)
            if cell is not None and into is not None:
                into.merge(cell)
            yield

    def encoded(self) -> Iterator[tuple[str, bytes | None]]:
        """The fields that have to be written, one by one, None for one to be removed; at the end none has any more."""
        for field in self._dropped - self.cells.keys():
            yield field, None
        for field in self.changed:
            if (cell := self.cells[field]) is not None:
                yield field, encode_cell(cell)
        self.changed, self._dropped = set(), set()


def _labels(fields: Iterable[str]) -> dict[str, int]:
    """How many labels each marginal has."""
    found = dict.fromkeys(LABELS, 0)
    for field in fields:
        found[field.partition(":")[0]] += 1
    return found


def sample_of(id_: str, contribution: Contribution) -> Sample:
    """What is worked out once for an attempt, for all cells it is counted in."""
    runtime, wait = contribution[3], contribution[4]
    return (
        id_,
        contribution,
        None if runtime is None else bucket_of(runtime),
        0 if runtime is None else round(runtime * 1e6),
        None if wait is None else bucket_of(wait),
        0 if wait is None else round(wait * 1e6),
    )


def _fill(cell: Cell, samples: list[Sample]) -> None:
    """Count all `samples`. Comprehensions and one C function: this is done four times for each finished task."""
    for sample in samples:
        cell.counts[sample[1][2]] += 1
    _fill_sketch(cell.runtime, [sample[2] for sample in samples], [sample[3] for sample in samples])
    _fill_sketch(cell.wait, [sample[4] for sample in samples], [sample[5] for sample in samples])
    least = (cell.slowest[-1].seconds or 0.0) if len(cell.slowest) >= EXAMPLES else -1.0
    slow = [each for each in samples if each[1][3] is not None and each[1][3] > least]
    if slow:
        slow.sort(key=_runtime, reverse=True)
        cell.slowest = keep_slowest([*cell.slowest, *(_example(each[0], each[1]) for each in slow[:EXAMPLES])])
    failed = [_example(each[0], each[1]) for each in samples if each[1][2] == _FAILED]
    if failed:
        cell.failed = keep_latest([*cell.failed, *failed])


def _runtime(sample: Sample) -> float:
    return sample[1][3] or 0.0


def _fill_sketch(sketch: Sketch, buckets: list[int | None], microseconds: list[int]) -> None:
    counts = Counter(buckets)
    known = sketch.buckets
    for bucket, count in counts.items():
        if bucket is not None:
            known[bucket] = known.get(bucket, 0) + count
            if not known[bucket]:
                del known[bucket]
    sketch.sum_us += sum(microseconds)


def _example(id_: str, contribution: Contribution) -> Example:
    return Example(id_, contribution[1], contribution[3], contribution[9])
