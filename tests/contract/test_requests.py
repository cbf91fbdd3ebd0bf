"""How questions get to the collector that holds a source, and answers back: the same through Redis, Valkey and in memory."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from support.stores import TTL, Backend, held, won
from support.waiting import eventually
from taskscope_shared import requests
from taskscope_shared.clock import SystemClock
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_requests import RedisAnswerer, RedisAsker
from taskscope_shared.redis_store import RedisStore
from taskscope_shared.requests import OUTSTANDING, PLACE, Answerer, Asker, NoAnswerError, Place, PlaceOf, Taken
from taskscope_shared.store import Lease, LeaseLostError, Store
from taskscope_shared.testing import MemoryRequests, MemoryStore

QUESTION = PlaceOf("t-1", "celery")


class Ways:
    """Makes askers and answerers on the backend's data."""

    def __init__(self, backend: Backend) -> None:
        self._url = backend.url
        store = backend.store()
        self._memory = MemoryRequests(store, SystemClock()) if isinstance(store, MemoryStore) else None
        self.opened: list[Asker | Answerer] = []

    def asker(self) -> Asker:
        made: Asker = self._memory or RedisAsker(self._url or "", prefix="t")
        self.opened.append(made)
        return made

    def answerer(self) -> Answerer:
        made: Answerer = self._memory or RedisAnswerer(self._url or "", prefix="t")
        self.opened.append(made)
        return made


@pytest.fixture
async def ways(backend: Backend) -> AsyncIterator[Ways]:
    made = Ways(backend)
    yield made
    for one in made.opened:
        await one.close()


def asked(asker: Asker, seconds: float = 5.0) -> asyncio.Task[bytes]:
    return asyncio.create_task(asker.ask("s", PLACE, QUESTION, seconds))


async def taken(answerer: Answerer, lease: Lease, count: int = 1) -> list[Taken]:
    found: list[Taken] = []

    async def some() -> bool:
        found.extend(await answerer.take(lease, 0.2))
        return len(found) >= count

    await eventually(some, what="questions to arrive")
    return found


async def test_a_question_is_answered(store: Store, ways: Ways) -> None:
    lease, answerer = await held(store), ways.answerer()
    asking = asked(ways.asker())
    [one] = await taken(answerer, lease)
    assert (one.ask.source, one.ask.kind) == ("s", PLACE)
    assert msgspec.msgpack.decode(one.ask.arguments, type=PlaceOf) == QUESTION
    assert 3 < one.left_seconds <= 5
    await answerer.answer(one.ask, requests.answer_of(one.ask, Place(position=7)))
    assert msgspec.msgpack.decode(await asking, type=Place) == Place(position=7)


async def test_a_refusal_reaches_the_asker_with_its_reason(store: Store, ways: Ways) -> None:
    lease, answerer = await held(store), ways.answerer()
    asking = asked(ways.asker())
    [one] = await taken(answerer, lease)
    await answerer.answer(one.ask, requests.refusal(one.ask, "too tired"))
    with pytest.raises(NoAnswerError, match="too tired"):
        await asking


async def test_answers_find_their_questions_in_any_order(store: Store, ways: Ways) -> None:
    lease, answerer, asker = await held(store), ways.answerer(), ways.asker()
    asking = [asyncio.create_task(asker.ask("s", PLACE, PlaceOf(str(n), "q"), 5.0)) for n in range(20)]
    for one in reversed(await taken(answerer, lease, 20)):
        number = int(msgspec.msgpack.decode(one.ask.arguments, type=PlaceOf).task_id)
        await answerer.answer(one.ask, requests.answer_of(one.ask, Place(position=number)))
    answers = [msgspec.msgpack.decode(raw, type=Place).position for raw in await asyncio.gather(*asking)]
    assert answers == list(range(20))


async def test_a_question_is_given_to_one_answerer_once(store: Store, ways: Ways) -> None:
    lease, first, second = await held(store), ways.answerer(), ways.answerer()
    asking = [asked(ways.asker(), 3.0) for _ in range(5)]
    found: list[Taken] = []

    async def all_taken() -> bool:
        for part in await asyncio.gather(first.take(lease, 0.1), second.take(lease, 0.1)):
            found.extend(part)
        return len(found) >= len(asking)

    await eventually(all_taken, what="all questions to be taken")
    assert len({one.ask.id for one in found}) == len(found) == len(asking)
    assert await first.take(lease, 0.05) == await second.take(lease, 0.05) == []
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def test_who_lost_the_lease_takes_nothing_and_its_successor_does(store: Store, ways: Ways) -> None:
    old = await held(store, "a", 0.1)
    new = await won(store, "b")
    answerer = ways.answerer()
    asking = asked(ways.asker())

    async def refused() -> bool:
        try:
            assert await answerer.take(old, 0.1) == []
        except LeaseLostError:
            return True
        return False

    await eventually(refused, what="the old holder to be refused")
    [one] = await taken(answerer, new)
    await answerer.answer(one.ask, requests.answer_of(one.ask, Place(position=1)))
    await asking


async def test_renewing_the_lease_does_not_keep_questions_from_being_taken(store: Store, ways: Ways) -> None:
    lease, answerer = await held(store), ways.answerer()
    asking = asked(ways.asker())

    async def renew() -> None:
        while True:
            await store.announce(lease, lease.head, SystemClock().now(), TTL)
            await asyncio.sleep(0.001)

    renewing = asyncio.create_task(renew())
    try:
        [one] = await taken(answerer, lease)
        await answerer.answer(one.ask, requests.answer_of(one.ask, Place(position=1)))
        await asking
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def test_without_an_answer_the_asker_gives_up_at_its_deadline_and_nobody_takes_the_question_later(
    store: Store, ways: Ways
) -> None:
    lease, clock = await held(store), SystemClock()
    began = clock.monotonic()
    with pytest.raises(NoAnswerError, match=r"within 0\.3 s"):
        await ways.asker().ask("s", PLACE, QUESTION, 0.3)
    assert 0.25 < clock.monotonic() - began < 1.0
    await asyncio.sleep(0.05)  # past the deadline by the server's clock, too
    assert await ways.answerer().take(lease, 0.05) == []


async def test_a_question_that_is_asked_before_anybody_holds_the_source_is_answered_by_who_wins_it(
    store: Store, ways: Ways
) -> None:
    asking = asked(ways.asker())
    await asyncio.sleep(0)
    lease, answerer = await held(store), ways.answerer()
    [one] = await taken(answerer, lease)
    await answerer.answer(one.ask, requests.answer_of(one.ask, Place(position=1)))
    await asking


async def test_an_asker_has_so_many_questions_out_and_no_more(ways: Ways) -> None:
    asker = ways.asker()
    asking = [asked(asker, 1.0) for _ in range(OUTSTANDING)]
    await asyncio.sleep(0)
    with pytest.raises(NoAnswerError, match="wait for their answers already"):
        await asker.ask("s", PLACE, QUESTION, 1.0)
    assert all(isinstance(one, NoAnswerError) for one in await asyncio.gather(*asking, return_exceptions=True))


async def test_waiting_for_questions_ends_in_time(store: Store, ways: Ways) -> None:
    lease, clock = await held(store), SystemClock()
    began = clock.monotonic()
    assert await ways.answerer().take(lease, 0.2) == []
    assert 0.15 < clock.monotonic() - began < 1.0


async def test_an_answer_that_is_too_large_is_refused(store: Store, ways: Ways) -> None:
    lease, answerer = await held(store), ways.answerer()
    asking = asked(ways.asker())
    [one] = await taken(answerer, lease)
    await answerer.answer(one.ask, requests.answer_of(one.ask, Place(reason="x" * requests.ANSWER_BYTES)))
    with pytest.raises(NoAnswerError, match="at most"):
        await asking


async def test_nothing_stays_in_redis_and_no_key_of_others_is_written(valkey_url: str) -> None:
    link = RedisLink(lambda: valkey_url)
    asker, answerer = RedisAsker(valkey_url, prefix="t"), RedisAnswerer(valkey_url, prefix="t")
    try:
        with pytest.raises(NoAnswerError):
            await asker.ask("s", PLACE, QUESTION, 0.1)
        assert 0 < (await link.call(("TTL", "t:{s}:asks")))[0] <= 60
        ask = requests.ask_of("s", PLACE, QUESTION, 1.0, "t:answers:gone")
        await answerer.answer(ask, requests.refusal(ask, "no"))
        assert 0 < (await link.call(("TTL", "t:answers:gone")))[0] <= 10
        foreign = requests.ask_of("s", PLACE, QUESTION, 1.0, "celery")
        await answerer.answer(foreign, requests.refusal(foreign, "no"))
        assert (await link.call(("EXISTS", "celery")))[0] == 0
        for _ in range(400):
            await link.call(("XADD", "t:{s}:asks", "*", "d", b"garbage"))
        with pytest.raises(NoAnswerError):
            await asker.ask("s", PLACE, QUESTION, 0.1)
        assert (await link.call(("XLEN", "t:{s}:asks")))[0] == requests.ASKED_AT_MOST
    finally:
        await asker.close()
        await answerer.close()
        await link.drop()


async def test_garbage_and_newer_versions_are_counted_and_skipped(valkey_url: str) -> None:
    store, link = RedisStore(valkey_url, SystemClock(), prefix="t"), RedisLink(lambda: valkey_url)
    answerer = RedisAnswerer(valkey_url, prefix="t")
    try:
        lease = await held(store)
        newer = msgspec.structs.replace(requests.ask_of("s", PLACE, QUESTION, 9.0, "t:answers:x"), codec=99)
        for data in (b"garbage", requests.encode(newer), b""):
            await link.call(("XADD", "t:{s}:asks", "*", "d", data))
        assert await answerer.take(lease, 0.1) == []
        assert answerer.unreadable == 3
    finally:
        await answerer.close()
        await store.close()
        await link.drop()
