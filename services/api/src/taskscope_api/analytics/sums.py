"""Sums of cells by label, and how they are put together. What is summed up is never changed, so that it can be shared."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence

import msgspec
from taskscope_shared.cells import Cell

from taskscope_api.analytics.tally import Tally, read_cell

OVERFLOW = "other"
"""The label under which the collector counts what exceeds a bucket's bound of labels."""
LABELS = 2_000
"""Groups told apart in one stretch of time."""
TURN_LABELS = 32
"""Labels added before others may run: about 1 ms."""
KEPT_JOINTS = 8
"""Stretches of which what did not change lately is kept added up."""

KindSums = dict[str | None, Tally]


class Groups(msgspec.Struct):
    """Sums of a stretch of time: of all attempts, and of each label of one marginal. `unreadable` cells are left out.

    `parts` are what it was put together from, where some of them are kept; `kinds` is what `by_kind` found last.
    """

    total: Tally
    by_label: dict[str, Tally]
    unreadable: int = 0
    parts: tuple["Groups", ...] = ()
    kinds: tuple[Mapping[str, str | None], KindSums] | None = None


class Summing:
    """Adds cells by label."""

    def __init__(self, marginal: str) -> None:
        self._prefix = marginal + ":"
        self.groups = Groups(Tally(), {})

    def add(self, field: str, data: bytes) -> None:
        """Add a cell, if it is the source's or one of the marginal's."""
        is_total = field == "source:"
        if not is_total and not field.startswith(self._prefix):
            return
        cell = read_cell(data)
        if cell is None:
            self.groups.unreadable += 1
        elif is_total:
            self.groups.total.add(cell)
        else:
            self._tally(field.removeprefix(self._prefix), cell).add(cell)

    def _tally(self, label: str, cell: Cell) -> Tally:
        known = self.groups.by_label
        if label == OVERFLOW or (label not in known and len(known) >= LABELS):
            cell.kind = None  # of several names, so it says nothing
            label = OVERFLOW
        if label not in known:
            known[label] = Tally()
        return known[label]


def joined(parts: Sequence[Groups]) -> Groups:
    """All of them added up; the sums of a label that one part alone has are the same objects."""
    joining = _Joining()
    for part in parts:
        for _ in joining.add(part):
            pass
    return joining.groups


async def joined_in_turns(parts: Sequence[Groups]) -> Groups:
    """`joined`, while others may run."""
    if len(parts) == 1:
        return parts[0]
    joining = _Joining()
    for part in parts:
        for number, _ in enumerate(joining.add(part), 1):
            if number % TURN_LABELS == 0:
                await asyncio.sleep(0)
    return joining.groups


class _Joining:
    def __init__(self) -> None:
        self.groups = Groups(Tally(), {})
        self._own: set[str] = set()

    def add(self, part: Groups) -> Iterator[None]:
        """Add a part, yielding after each label that had to be added."""
        self.groups.total.add(part.total)
        self.groups.unreadable += part.unreadable
        by_label = self.groups.by_label
        for label, tally in part.by_label.items():
            if label not in by_label:
                by_label[label] = tally
                continue
            if label not in self._own:
                self._own.add(label)
                by_label[label] = by_label[label].copy()
            by_label[label].add(tally)
            yield


def by_kind(groups: Groups, kinds: Mapping[str, str | None]) -> KindSums:
    """The sums of the labels of each kind, not to be changed; labels that have none in `kinds` are left out."""
    if groups.kinds is not None and groups.kinds[0] == kinds:
        return groups.kinds[1]
    found: KindSums = {}
    if groups.parts:
        for part in groups.parts:
            for kind, tally in by_kind(part, kinds).items():
                found.setdefault(kind, Tally()).add(tally)
    else:
        for label, tally in groups.by_label.items():
            if label in kinds:
                found.setdefault(kinds[label], Tally()).add(tally)
    groups.kinds = kinds, found
    return found


class _Joint(msgspec.Struct):
    """What was joined last: all parts, and those of them that did not change then, added up."""

    parts: list[Groups]
    steady: list[Groups]
    base: Groups | None


class Joints:
    """Joins parts of which most are the same objects as the last time: what is the same is added up once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Joint] = OrderedDict()

    async def of(self, key: Hashable, parts: list[Groups]) -> Groups:
        """The sum of the parts; `key` says which stretch it is."""
        last = self._kept.get(key) or _Joint([], [], None)
        known = {id(part) for part in last.parts} if last.parts else {id(part) for part in parts[:-1]}
        steady = [part for part in parts if id(part) in known]
        moving = [part for part in parts if id(part) not in known]
        base = await self._base(last, steady)
        self._kept[key] = _Joint(parts, steady, base)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_JOINTS:
            self._kept.popitem(last=False)
        together = [*([] if base is None else [base]), *moving]
        whole = await joined_in_turns(together)
        return whole if len(together) == 1 else msgspec.structs.replace(whole, parts=tuple(together))

    async def _base(self, last: _Joint, steady: list[Groups]) -> Groups | None:
        now, before = {id(part) for part in steady}, {id(part) for part in last.steady}
        if last.base is None or not before <= now:
            return await joined_in_turns(steady) if steady else None
        added = [part for part in steady if id(part) not in before]
        if not added:
            return last.base
        base = await joined_in_turns([last.base, *added])
        for number, tally in enumerate(base.by_label.values(), 1):
            tally.sort()
            if number % TURN_LABELS == 0:
                await asyncio.sleep(0)
        return base
