"""One source's state in memory, with the indices that make lists and counts cheap.

Tasks that agree in everything that filters name but the worker (state, kind, name, queue, engine) form a *cohort*. A filter
judges cohorts, not tasks; totals are sums of their sizes; a page merges their orders. So a list costs the number of cohorts
(some hundreds) and the rows it shows, not the number of tasks.
"""

from collections.abc import Callable, Iterable, Iterator

from taskscope_shared.model import Position, Queue, Source, State, Task, Worker

from taskscope_api.orders import Order, OrderEntry
from taskscope_api.sharing import Sharing
from taskscope_api.sorting import CohortKey, Value, value_of

Inner = tuple[str | None, bool]
BY_UPDATE: Inner = ("updated_at", True)
STEP_TASKS = 4000
"""Tasks put in an order between two yields: about 5 ms."""


class Cohort:
    """Tasks alike. `orders` has what they are read by; each holds ids alone."""

    __slots__ = ("key", "orders", "size")

    def __init__(self, key: CohortKey) -> None:
        self.key = key
        self.size = 0
        self.orders: dict[Inner, Order] = {}


class Replica:
    """The tasks, workers and queues of one source. Every change says which cohorts it touched (`touched`)."""

    def __init__(self, source: str, on_touch: Callable[[CohortKey], None], orders: Iterable[Inner] = (BY_UPDATE,)) -> None:
        self.source = source
        self.incarnation = ""
        self.position = Position()
        self.complete = False
        self.tasks: dict[str, Task] = {}
        self.workers: dict[str, Worker] = {}
        self.queues: dict[str, Queue] = {}
        self.health: Source | None = None
        self.cohorts: dict[CohortKey, Cohort] = {}
        self.counts: dict[str, dict[State, int]] = {}
        self.by_worker: dict[str, dict[CohortKey, set[str]]] = {}
        self._values: dict[Inner, Value] = {inner: value_of(inner) for inner in orders}
        self._sharing = Sharing()
        self._on_touch = on_touch

    # --------------------------------------------------------------------------------------------------------- changes

    def put(self, task: Task) -> bool:
        """Take a task if it is newer than what is held; whether it was."""
        old = self.tasks.get(task.id)
        if old is not None and (task.epoch, task.seq) <= (old.epoch, old.seq):
            return False
        self._sharing.share(task)
        cohort = self._cohort(task)
        if old is None:
            self._enter(cohort, task)
        else:
            self._move(cohort, old, task)
        self.tasks[task.id] = task
        for order in cohort.orders.values():
            if order.add(task):
                order.sweep(self._alive(cohort, order), cohort.size)
        self._on_touch(cohort.key)
        return True

    def remove(self, id_: str, position: Position) -> bool:
        """Forget a task, unless what is held was written after `position`."""
        old = self.tasks.get(id_)
        if old is None or (old.epoch, old.seq) > (position.epoch, position.seq):
            return False
        del self.tasks[id_]
        self._leave(_key(old), old)
        return True

    def _enter(self, cohort: Cohort, task: Task) -> None:
        cohort.size += 1
        states = self.counts.setdefault(task.kind, {})
        states[task.state] = states.get(task.state, 0) + 1
        if task.worker is not None:
            self.by_worker.setdefault(task.worker, {}).setdefault(cohort.key, set()).add(task.id)

    def _move(self, cohort: Cohort, old: Task, task: Task) -> None:
        before = _key(old)
        if before != cohort.key or old.worker != task.worker:
            self._leave(before, old)
            self.cohorts[cohort.key] = cohort  # it may have been the last one of its cohort
            self._enter(cohort, task)

    def _leave(self, key: CohortKey, old: Task) -> None:
        cohort = self.cohorts[key]
        cohort.size -= 1
        if not cohort.size:
            del self.cohorts[key]
        self.counts[old.kind][old.state] -= 1
        if old.worker is not None:
            self._leave_worker(old.worker, key, old.id)
        self._on_touch(key)

    def _leave_worker(self, worker: str, key: CohortKey, id_: str) -> None:
        cohorts = self.by_worker[worker]
        cohorts[key].discard(id_)
        if not cohorts[key]:
            del cohorts[key]
            if not cohorts:
                del self.by_worker[worker]

    def _cohort(self, task: Task) -> Cohort:
        key = _key(task)
        cohort = self.cohorts.get(key)
        if cohort is None:
            cohort = self.cohorts[key] = Cohort(key)
            cohort.orders = {inner: Order(value) for inner, value in self._values.items()}
        return cohort

    # ----------------------------------------------------------------------------------------------------------- reads

    def read(self, cohort: Cohort, inner: Inner, start: float | None = None) -> Iterator[tuple[float, str, Task]]:
        """Value, task key and task of a cohort in the order `inner`, from the value `start` on."""
        order = cohort.orders[inner]
        tasks, prefix, alive = self.tasks, self.source + "/", self._alive(cohort, order)
        order.sweep(alive, cohort.size)  # many may have left since something was added
        for value, id_ in order.read(alive, start):
            yield value, prefix + id_, tasks[id_]

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
                self.cohorts[_key(task)].orders[inner].add(task)
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
        tasks, key, holds = self.tasks, cohort.key, order.holds
        state, kind, name, queue, engine = key.state, key.kind, key.name, key.queue, key.engine

        def alive(entry: OrderEntry) -> bool:
            task = tasks.get(entry[1])
            return (
                task is not None
                and task.state is state
                and task.name == name
                and task.queue == queue
                and task.kind == kind
                and task.engine == engine
                and holds(entry, task)
            )

        return alive


def _key(task: Task) -> CohortKey:
    return CohortKey(task.state, task.kind, task.name, task.queue, task.engine)
