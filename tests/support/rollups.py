"""What a store would hold of rollups, and tasks to write into it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import strategies as st
from taskscope_collector.contributions import Contributions, contributions
from taskscope_collector.rollups import Bucket, Change, Rollups
from taskscope_shared.cells import Cell, decode_cell, merged
from taskscope_shared.corrected import DAYS_FIELD
from taskscope_shared.model import Attempt, Engine, State, Task

NOW = 1_800_000_000.0
HOUR, DAY = 3600, 86_400
MIDNIGHT = int(NOW) // DAY * DAY
FINAL = [State.SUCCEEDED, State.FAILED, State.REVOKED, State.REJECTED, State.LOST]


@dataclass
class Stored:
    """What the store would hold, and the records' `contributed`."""

    cells: dict[Bucket, dict[str, bytes]] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    contributed: dict[str, Contributions] = field(default_factory=dict)
    loads: int = 0

    async def load(self, wanted: Mapping[Bucket, Sequence[str]]) -> dict[tuple[int, int, str], bytes]:
        self.loads += 1
        return {(*bucket, name): data for bucket in wanted for name, data in self.cells.get(bucket, {}).items()}

    async def write(self, rollup: Rollups, tasks: Sequence[Task], now: float) -> None:
        changes = [Change(task.id, self.contributed.get(task.id, ()), contributions(task)) for task in tasks]
        staged = await rollup.stage(changes, now, self.load)
        for bucket, cells in staged.cells.items():
            stored = self.cells.setdefault(bucket, {})
            stored.update({name: cell for name, cell in cells.items() if cell is not None})
            for name in [name for name, cell in cells.items() if cell is None]:
                stored.pop(name, None)
        self.meta.update(staged.meta)
        self.contributed.update((change.id, change.after) for change in changes)
        rollup.commit()

    def level(self, resolution: int) -> dict[str, Cell]:
        """All cells of a resolution, merged by field, without examples and without those that are empty."""
        return self.between(resolution, 0, 1 << 40)

    def between(self, resolution: int, since: int, until: int) -> dict[str, Cell]:
        """`level` of the buckets that begin at `since` or later, and before `until`."""
        by_field: dict[str, list[Cell]] = {}
        for (each, start), cells in self.cells.items():
            for name, data in cells.items() if each == resolution and since <= start < until else ():
                by_field.setdefault(name, []).append(decode_cell(data))
        total = {name: merged(cells) for name, cells in by_field.items()}
        for cell in total.values():
            cell.slowest, cell.failed, cell.kind = [], [], None
        return {name: cell for name, cell in total.items() if cell != Cell()}


def begun(now: float = NOW, stored: Stored | None = None) -> Rollups:
    rollup = Rollups()
    rollup.begin(stored.meta if stored else {}, now)
    return rollup


def task(id_: str = "1", state: State = State.SUCCEEDED, **fields: object) -> Task:
    values: dict[str, object] = {
        "name": "n",
        "queue": "q",
        "worker": "w",
        "finished_at": NOW,
        "runtime_seconds": 1.0,
        "attempts": 1,
    }
    return Task(id_, "s", Engine.CELERY, state, 1, 1, **{**values, **fields})  # type: ignore[arg-type]


def with_days(until: float) -> Stored:
    """A store whose days are written up to `until`."""
    return Stored(meta={"rolled:86400": str(int(until)), DAYS_FIELD: "0"})


async def advance(stored: Stored, rollup: Rollups, since: float, until: float, step: int = 20) -> None:
    for now in range(int(since), int(until), step):
        await stored.write(rollup, [], float(now))


offsets = st.integers(0, 4000)
versions = st.builds(
    lambda id_, state, offset, runtime, name, retries: task(
        id_,
        state,
        finished_at=NOW - offset,
        runtime_seconds=runtime,
        name=name,
        attempts=retries + 1,
        history=tuple(Attempt(n + 1, State.RETRYING, finished_at=NOW - offset - 60 * (retries - n)) for n in range(retries)),
    ),
    st.sampled_from("abcd"),
    st.sampled_from(FINAL),
    offsets,
    st.none() | st.floats(0.001, 100),
    st.sampled_from([None, "x", "y"]),
    st.integers(0, 2),
)
