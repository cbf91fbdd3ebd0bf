"""Who looks at which window."""

import pytest
from support.api import task
from taskscope_api.errors import ApiError
from taskscope_api.filters import Filter
from taskscope_api.frames import RowEncoder
from taskscope_api.hub import LINGER_SECONDS, PRESSURE, RELAXED_SECONDS, SWEEP_SECONDS, Client, Hub, _apart
from taskscope_api.live_view import LiveView
from taskscope_api.replica import Replica
from taskscope_api.sorting import sort_named
from taskscope_api.subscriptions import Subscription
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import State
from taskscope_shared.settings import Push


def wanting(queue: str, sort: str = "-updated_at") -> Subscription:
    return Subscription(Filter(queue=(queue,)), sort_named(sort), 10, None, None)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def live() -> LiveView:
    live = LiveView()
    live.replicas["s"] = Replica("s")
    live.replicas["s"].put(task("a", queue="q"))
    return live


async def test_a_window_that_was_left_makes_room_for_another(live: LiveView, clock: ManualClock) -> None:
    hub = Hub(live, clock, limits=Push(windows=2))
    first, second, third = Client(), Client(), Client()
    await hub.join(first, wanting("1"))
    await hub.join(second, wanting("2"))
    with pytest.raises(ApiError) as caught:
        await hub.join(third, wanting("3"))
    assert caught.value.problem.status == 503
    hub.leave(first)
    await hub.join(third, wanting("3"))
    assert set(hub._shown) == {wanting("2"), wanting("3")}


async def test_a_window_without_clients_lingers_and_is_closed_then(live: LiveView, clock: ManualClock) -> None:
    hub, client = Hub(live, clock), Client()
    await hub.join(client, wanting("q"))
    hub.leave(client)
    hub._sweep()
    assert len(hub._shown) == 1
    clock.advance(max(LINGER_SECONDS, SWEEP_SECONDS) + 1)
    hub._sweep()
    assert hub._shown == {}


async def test_searches_are_few_and_one_that_was_left_makes_room(live: LiveView, clock: ManualClock) -> None:
    hub, first, second = Hub(live, clock, limits=Push(searches=1)), Client(), Client()
    one, other = (Subscription(Filter(q=q), sort_named("live"), 10, None, None) for q in ("one", "other"))
    await hub.join(first, one)
    with pytest.raises(ApiError) as caught:
        await hub.join(second, other)
    assert caught.value.problem.status == 503
    hub.leave(first)
    await hub.join(second, other)
    assert set(hub._shown) == {other}


@pytest.mark.parametrize("seconds", [0.001, 0.01, 0.039])
def test_rounds_take_a_fifth_of_the_time_while_they_are_short(seconds: float) -> None:
    assert _apart(seconds) == pytest.approx((PRESSURE + 1) * seconds)


@pytest.mark.parametrize(("seconds", "apart"), [(0.05, RELAXED_SECONDS), (0.1, RELAXED_SECONDS), (0.5, 1.0)])
def test_rounds_that_take_long_come_all_the_same_but_never_take_more_than_half(seconds: float, apart: float) -> None:
    assert _apart(seconds) == pytest.approx(apart)


def test_a_row_is_encoded_once_for_as_long_as_it_is_shown(live: LiveView) -> None:
    rows, tasks = RowEncoder(), {"s/a": live.replicas["s"].tasks["a"]}
    fields = ("key", "state")
    first = rows.encode(["s/a"], tasks, fields)[0]
    for _ in range(3):
        rows.next_round()
        assert rows.encode(["s/a"], tasks, fields)[0] is first
    assert bytes(rows.encode(["s/a"], tasks, None)[0]) != bytes(first)
    rows.next_round()
    rows.next_round()
    assert rows.encode(["s/a"], tasks, fields)[0] is not first, "nobody showed it"
    live.replicas["s"].put(task("a", queue="q", seq=2, state=State.FAILED))
    assert b"failed" in bytes(rows.encode(["s/a"], {"s/a": live.replicas["s"].tasks["a"]}, fields)[0])
