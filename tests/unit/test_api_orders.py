from hypothesis import given, settings
from hypothesis import strategies as st
from support.api import task
from taskscope_api.orders import Alive, Order, OrderEntry
from taskscope_api.sorting import value_of
from taskscope_shared.model import Task

UPDATES = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 20), st.booleans()), max_size=200)


def alive_in(order: Order, held: dict[str, Task]) -> Alive:
    def alive(entry: OrderEntry) -> bool:
        return entry[1] in held and order.holds(entry, held[entry[1]])

    return alive


@given(UPDATES, st.sampled_from([("updated_at", True), ("updated_at", False), (None, False)]))
@settings(max_examples=200)
def test_reading_gives_what_is_held_once_and_sorted(
    updates: list[tuple[str, int, bool]], inner: tuple[str | None, bool]
) -> None:
    order = Order(value_of(inner))
    held: dict[str, Task] = {}
    for id_, at, read in updates:
        if at == 0:
            held.pop(id_, None)
            continue
        held[id_] = task(id_, updated_at=float(at))
        if order.add(held[id_]):
            order.sweep(alive_in(order, held), len(held))
        if read:
            list(order.read(alive_in(order, held)))
    expected = sorted((order.value(one), one.id) for one in held.values())
    assert list(order.read(alive_in(order, held))) == expected


def test_reading_from_a_value_on_leaves_out_what_comes_before() -> None:
    order, held = Order(value_of(("updated_at", True))), {}
    for at in range(10):
        held[str(at)] = task(str(at), updated_at=float(at))
        order.add(held[str(at)])
    assert [id_ for _, id_ in order.read(alive_in(order, held), start=-5.0)] == ["5", "4", "3", "2", "1", "0"]


def test_entries_do_not_gather_without_end_though_nobody_reads() -> None:
    order, held = Order(value_of(("updated_at", True))), {}
    for at in range(100_000):
        held["a"] = task("a", updated_at=float(at))
        if order.add(held["a"]):
            order.sweep(alive_in(order, held), 1)
    assert len(order) < 200


def test_what_leaves_at_the_far_end_is_swept_there() -> None:
    order, held = Order(value_of(("updated_at", True))), {}
    for at in range(50_000):
        held[str(at)] = task(str(at), updated_at=float(at))
        held.pop(str(at - 1000), None)
        if order.add(held[str(at)]):
            order.sweep(alive_in(order, held), len(held))
    assert len(order) < 2000
    assert len(list(order.read(alive_in(order, held)))) == 1000
