"""Whatever the order in which observations come, and however often: the same state."""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise

from support.reducing import draft, reducer
from taskscope_collector.observations import Observation
from taskscope_shared.model import Engine, Task

_VERSION = ("epoch", "seq")


def assert_same_state_in_any_order(
    observations: Sequence[Observation],
    expected: Mapping[str, object],
    *,
    engine: Engine = Engine.CELERY,
    task_id: str | None = None,
    orders: int = 60,
    seed: int = 0,
) -> None:
    """Reduce `observations` as they are, backwards and in `orders` random orders with duplicates, one by one and in batches.

    Each time the task (the only one that is named, unless `task_id` says which) must have the fields `expected`, which come
    from the scenario's own ledger: a value, or a function of one that returns whether it is right. Its other fields must be
    the same in each order. At the end the reducer ticks once, at the time of the latest observation.
    """
    id_ = task_id if task_id is not None else _only_task(observations)
    first = _reduce(observations, engine, id_, range(len(observations)))
    _compare(first, expected, "in the order in which they were seen")
    choice = random.Random(seed)
    for number, order in enumerate(_orders(observations, orders, choice)):
        for cuts in (len(order), choice.randrange(len(order))):  # one by one, and in batches
            state = _reduce(order, engine, id_, sorted(choice.sample(range(len(order)), cuts)))
            assert state == first, f"order {number}: {_differences(first, state)}\n" + "\n".join(map(_brief, order))


def _orders(observations: Sequence[Observation], count: int, choice: random.Random) -> list[list[Observation]]:
    orders = [list(reversed(observations)), [one for one in observations for _ in range(2)]]
    for _ in range(count):
        order = [*observations, *choice.choices(observations, k=len(observations) // 2)]
        choice.shuffle(order)
        orders.append(order)
    return orders


def _reduce(observations: Sequence[Observation], engine: Engine, id_: str, cuts: Sequence[int]) -> dict[str, object]:
    state = reducer(engine)
    own = deepcopy(list(observations))  # they belong to the reducer once applied
    for begin, end in pairwise((0, *cuts, len(own))):
        state.apply_batch(own[begin:end])
    state.tick(max(observation.at for observation in observations))
    folded = draft(state, id_)
    return {name: getattr(folded, name) for name in Task.__struct_fields__ if name not in _VERSION}


def _only_task(observations: Sequence[Observation]) -> str:
    ids = {getattr(one, "uuid", None) or getattr(one, "id", None) for one in observations} - {None}
    assert len(ids) == 1, f"observations of {len(ids)} tasks: say which with task_id"
    return str(ids.pop())


def _compare(state: Mapping[str, object], expected: Mapping[str, object], when: str) -> None:
    wrong = {name: (state[name], right) for name, right in expected.items() if not _is_right(state[name], right)}
    assert not wrong, f"{when}: {{field: (is, should be)}} {wrong}"


def _is_right(value: object, right: object | Callable[[object], bool]) -> bool:
    if callable(right):
        return bool(right(value))
    if isinstance(value, float) and isinstance(right, float):
        return math.isclose(value, right, abs_tol=1e-6)
    return value == right


def _differences(first: Mapping[str, object], other: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    return {name: (first[name], other[name]) for name in first if first[name] != other[name]}


def _brief(observation: Observation) -> str:
    return repr(observation)[:300]
