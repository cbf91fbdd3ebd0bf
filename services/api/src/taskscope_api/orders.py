"""One order of a cohort's tasks, cheap to keep: changes are appended, and sorted only when somebody reads."""

from collections.abc import Callable, Iterator

from taskscope_api.sorting import Sorted, Value

OrderEntry = tuple[float, str]
"""The value that sorts, and the task's id."""
Alive = Callable[[OrderEntry], bool]


class Order:
    """Entries in *reverse* reading order, so that what is newest is appended and costs nothing.

    An entry is not taken out when its task changes or leaves: it is skipped when read (`alive` says whether it still holds),
    and swept when too many have gathered. Costs: an append for a change; for a read, sorting what was appended since the last.
    """

    __slots__ = ("_bound", "_entries", "_settled", "_value")

    def __init__(self, value: Value) -> None:
        self._value = value
        self._entries: list[OrderEntry] = []
        self._settled = 0
        self._bound = 64

    def add(self, task: Sorted) -> bool:
        """Take a task, or its new value. True when it is time to `sweep`."""
        self._entries.append((self._value(task), task.id))
        return len(self._entries) > self._bound

    def holds(self, entry: OrderEntry, task: Sorted) -> bool:
        """Whether the entry still says the task's value."""
        return self._value(task) == entry[0]

    def value(self, task: Sorted) -> float:
        """What this order sorts by."""
        return self._value(task)

    def sweep(self, alive: Alive, size: int) -> None:
        """Forget what does not hold any more, if it is much beside `size` tasks.

        At the far end, where tasks leave by age, else everywhere.
        """
        self._bound = size + size // 4 + 64
        if len(self._entries) <= self._bound:
            return
        self.settle()
        entries = self._entries
        first = next((index for index, entry in enumerate(entries) if alive(entry)), len(entries))
        if first >= len(entries) // 8:
            del entries[:first]
        else:
            self._entries = entries = [entry for entry in _distinct(entries) if alive(entry)]
        self._settled = len(entries)
        self._bound = max(self._bound, len(entries) + len(entries) // 8)

    def read(self, alive: Alive, start: float | None = None) -> Iterator[OrderEntry]:
        """Entries that hold, in reading order, from the value `start` on. Not to be gone on with after a change."""
        self.settle()
        entries = self._entries
        last = None
        index = len(entries) if start is None else _first_below(entries, (start, ""), len(entries))
        while index:
            index -= 1
            entry = entries[index]
            if entry != last and alive(entry):
                yield entry
            last = entry

    def settle(self) -> None:
        """Sort what was appended."""
        entries, settled = self._entries, self._settled
        if settled == len(entries):
            return
        tail = entries[settled:]
        tail.sort(reverse=True)
        from_ = _first_below(entries, tail[0], settled)
        if from_ < settled:
            tail += entries[from_:settled]
            tail.sort(reverse=True)
        entries[from_:] = tail
        self._settled = len(entries)

    def __len__(self) -> int:
        return len(self._entries)


def _first_below(entries: list[OrderEntry], bound: OrderEntry, end: int) -> int:
    """In a descending list, the first index before `end` whose entry is below `bound`; `end` if there is none."""
    low = 0
    while low < end:
        middle = (low + end) // 2
        if entries[middle] < bound:
            end = middle
        else:
            low = middle + 1
    return low


def _distinct(entries: list[OrderEntry]) -> Iterator[OrderEntry]:
    last = None
    for entry in entries:
        if entry != last:
            yield entry
        last = entry
