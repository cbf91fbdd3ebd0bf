"""One source's state in memory, with the indices that make lists and counts cheap.

Tasks that agree in everything that filters name but the worker (state, kind, name, queue, engine) form a *cohort*. A filter
judges cohorts, not tasks; totals are sums of their sizes; a page merges their orders. So a list costs the number of cohorts
(some hundreds) and the rows it shows, not the number of tasks.
"""

from collections.abc import Callable, Iterable, Iterator

from msgspec import Raw
from taskscope_shared import codec
from taskscope_shared.model import Position, Queue, Source, State, Task, Worker

from taskscope_api.held import BULKY_BYTES, Cohort, Held, Leading, Tracebacks, decode_leading
from taskscope_api.orders import Order, OrderEntry
from taskscope_api.sorting import CohortKey, Inner, Value, value_of

BY_UPDATE: Inner = ("updated_at", True)
STEP_TASKS = 4000
"""Tasks put in an order between two yields: about 5 ms."""


class OfWorker(dict[CohortKey, set[str]]):
    """Ids of a worker's tasks by cohort, and its name, as one object for all of them."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class Replica:
    """The tasks, workers and queues of one source. Every change says which cohorts it touched (`touched`)."""

    def __init__(self, source: str, on_touch: Callable[[CohortKey], None], orders: Iterable[Inner] = (BY_UPDATE,)) -> None:
        self.source = source
        self.incarnation = ""
        self.position = Position()
        self.complete = False
        self.tasks: dict[str, Held] = {}
        self.workers: dict[str, Worker] = {}
        self.queues: dict[str, Queue] = {}
        self.health: Source | None = None
        self.cohorts: dict[CohortKey, Cohort] = {}
        self._counts: dict[str, dict[State, int]] = {}
        self._counted = True
        self.by_worker: dict[str, OfWorker] = {}
        self._values: dict[Inner, Value] = {inner: value_of(inner) for inner in orders}
        self._tracebacks = Tracebacks()
        self._last = Position()
        self._on_touch = on_touch

    # --------------------------------------------------------------------------------------------------------- changes

    def put(self, task: Task, known: Held | None = None) -> bool:
        """Take a task if it is newer than what is held; whether it was.

        `known` is what another replica holds of it: the same version costs no memory again.
        """
        position = self._version(task.epoch, task.seq)
        old = self.tasks.get(task.id)
        if old is not None and position <= old.position:
            return False
        if known is not None and known.position == position:
            packed, traceback = known.packed, known.traceback
        else:
            packed, traceback = self._packed(codec.encode(task))
        self._take(old, task, position, packed, traceback)
        return True

    def put_packed(self, raw: Raw) -> bool:
        """Take an encoded task if it is newer than what is held; whether it was. Raises `msgspec.DecodeError`."""
        leading = decode_leading(raw)
        position = self._version(leading.epoch, leading.seq)
        old = self.tasks.get(leading.id)
        if old is not None and position <= old.position:
            return False
        packed, traceback = self._packed(bytes(raw))
        self._take(old, leading, position, packed, traceback)
        return True

    def _version(self, epoch: int, seq: int) -> Position:
        """The tasks of one flush share it."""
        last = self._last
        if last.seq != seq or last.epoch != epoch:
            self._last = last = Position(epoch, seq)
        return last

    def _packed(self, packed: bytes) -> tuple[bytes, str | None]:
        return (packed, None) if len(packed) <= BULKY_BYTES else self._tracebacks.part(packed)

    def _take(self, old: Held | None, task: Task | Leading, position: Position, packed: bytes, traceback: str | None) -> None:
        key = CohortKey(task.state, task.kind, task.name, task.queue, task.engine)
        cohort = self.cohorts.get(key) or self._begin(key)
        id_ = task.id if old is None else old.id
        held = Held(id_, self.source, cohort, task.worker, position, task.updated_at, packed, traceback)
        if old is None:
            self._enter(held)
        elif old.cohort is not cohort or old.worker != held.worker:
            self._leave(old)
            self.cohorts[cohort.key] = cohort  # it may have been the last one of its cohort
            self._enter(held)
        elif old.worker is not None:
            held.worker = old.worker
        self.tasks[id_] = held
        for order in cohort.orders.values():
            if order.add(held):
                order.sweep(self._alive(cohort, order), cohort.size)
        self._on_touch(cohort.key)

    def remove(self, id_: str, position: Position) -> bool:
        """Forget a task, unless what is held was written after `position`."""
        old = self.tasks.get(id_)
        if old is None or old.position > position:
            return False
        del self.tasks[id_]
        self._leave(old)
        return True

    def _enter(self, held: Held) -> None:
        cohort = held.cohort
        cohort.size += 1
        self._counted = False
        if held.worker is not None:
            self._enter_worker(held, held.worker)

    def _enter_worker(self, held: Held, worker: str) -> None:
        there = self.by_worker.get(worker)
        if there is None:
            there = self.by_worker[worker] = OfWorker(worker)
        held.worker = there.name  # one object for all its tasks
        ids = there.get(held.cohort.key)
        if ids is None:
            ids = there[held.cohort.key] = set()
        ids.add(held.id)

    def _leave(self, old: Held) -> None:
        cohort = old.cohort
        key = cohort.key
        cohort.size -= 1
        self._counted = False
        if not cohort.size:
            del self.cohorts[key]
        if old.worker is not None:
            self._leave_worker(old.worker, key, old.id)
        self._on_touch(key)

    def _leave_worker(self, worker: str, key: CohortKey, id_: str) -> None:
        cohorts = self.by_worker[worker]
        ids = cohorts[key]
        ids.discard(id_)
        if not ids:
            del cohorts[key]
            if not cohorts:
                del self.by_worker[worker]

    def _begin(self, key: CohortKey) -> Cohort:
        cohort = self.cohorts[key] = Cohort(key)
        cohort.orders = {inner: Order(value) for inner, value in self._values.items()}
        return cohort

    # ----------------------------------------------------------------------------------------------------------- reads

    def read(self, cohort: Cohort, inner: Inner, start: float | None = None) -> Iterator[tuple[float, str, Held]]:
        """Value, task key and task of a cohort in the order `inner`, from the value `start` on."""
        order = cohort.orders[inner]
        tasks, prefix, alive = self.tasks, self.source + "/", self._alive(cohort, order)
        order.sweep(alive, cohort.size)  # many may have left since something was added
        for value, id_ in order.read(alive, start):
            yield value, prefix + id_, tasks[id_]

    @property
    def counts(self) -> dict[str, dict[State, int]]:
        """Kind -> state -> tasks; also of kinds counted before. Summed when read: changes are far more frequent."""
        if not self._counted:
            self._counts = {kind: {} for kind in self._counts}
            for key, cohort in self.cohorts.items():
                states = self._counts.setdefault(key.kind, {})
                states[key.state] = states.get(key.state, 0) + cohort.size
            self._counted = True
        return self._counts

    def ids_of(self, worker: str, key: CohortKey) -> set[str] | None:
        """The tasks of a cohort that are a worker's."""
        there = self.by_worker.get(worker)
        return None if there is None else there.get(key)

    @property
    def kept(self) -> list[Inner]:
        """The orders that every cohort keeps."""
        return list(self._values)

    def keep(self, inner: Inner) -> Iterator[None]:
        """Keep this order, too. Yields now and then: tasks may change meanwhile, but nobody reads by it before the end."""
        value = self._values.setdefault(inner, value_of(inner))
        for cohort in self.cohorts.values():
            cohort.orders.setdefault(inner, Order(value))
        for count, id_ in enumerate(list(self.tasks), 1):
            task = self.tasks.get(id_)
            if task is not None:
                task.cohort.orders[inner].add(task)
            if count % STEP_TASKS == 0:
                self.settle()
                yield

    def drop(self, inner: Inner) -> None:
        """Nobody reads by this order any more."""
        self._values.pop(inner, None)
        for cohort in self.cohorts.values():
            cohort.orders.pop(inner, None)

    def settle(self) -> None:
        """Sort what was appended, so that the next read need not sort everything at once."""
        for cohort in self.cohorts.values():
            for order in cohort.orders.values():
                order.settle()

    def _alive(self, cohort: Cohort, order: Order) -> Callable[[OrderEntry], bool]:
        find, holds = self.tasks.get, order.holds

        def alive(entry: OrderEntry) -> bool:
            held = find(entry[1])
            return held is not None and held.cohort is cohort and holds(entry, held)

        return alive
