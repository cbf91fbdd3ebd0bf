"""Taskscope's own Redis behind Sentinels: the primary is asked for at each connecting, and a switch costs nothing but time."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from support.celery_source import App, Recorder, runner_of, up
from support.celery_source import watching as celery_watching
from support.rq_source import put_job, watching
from support.sentinels import DOWN_AFTER_SECONDS, MASTER, Sentineled, sentineled
from support.servers import free_port
from support.waiting import eventually
from taskscope_collector.observations import CHECK_FAILED
from taskscope_shared.model import SourceStatus, State
from taskscope_shared.redis_link import RedisLink
from taskscope_shared.redis_servers import connected
from taskscope_shared.store import StoreError, WritesRefusedError

ELECTION_SECONDS = 3.0
"""What Sentinels take at most to agree and to promote, once one has seen that the primary is down."""
RECONNECT_SECONDS = 2.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Sentineled]:
    with sentineled(tmp_path) as made:
        yield made


async def refusal(url: str) -> str:
    link = RedisLink(lambda: url)
    with pytest.raises(StoreError) as caught:
        await link.call(("PING",))
    return str(caught.value)


async def writes(link: RedisLink, value: str) -> bool:
    try:
        await link.call(("SET", "key", value))
    except StoreError:
        return False
    return True


async def test_the_primary_is_written_to_and_after_it_was_killed_the_new_one(site: Sentineled) -> None:
    link, old = RedisLink(lambda: site.url), site.primary()
    await link.call(("SET", "key", "1"))
    assert old.ask("GET", "key") == "1"
    old.kill()
    allowed = DOWN_AFTER_SECONDS + ELECTION_SECONDS + RECONNECT_SECONDS
    await eventually(lambda: writes(link, "2"), seconds=allowed, what="the new primary to be written to")
    assert site.primary() is not old
    assert site.primary().ask("GET", "key") == "2"
    await link.drop()


async def test_a_primary_that_was_demoted_is_left_for_the_new_one(site: Sentineled) -> None:
    link, old = RedisLink(lambda: site.url), site.primary()
    await link.call(("SET", "key", "1"))
    site.sentinels[0].ask("SENTINEL", "FAILOVER", MASTER)
    await eventually(lambda: site.primary() is not old, what="the switch")
    await eventually(lambda: writes(link, "2"), what="the new primary to be written to")
    await eventually(lambda: old.ask("GET", "key") == "2", what="the old one to follow it")
    await link.drop()


async def test_one_that_refuses_writes_as_a_replica_is_asked_for_anew(valkey_url: str) -> None:
    link, other = RedisLink(lambda: valkey_url), RedisLink(lambda: valkey_url)
    (before,) = await link.call(("CLIENT", "ID"))
    await other.call(("REPLICAOF", "127.0.0.1", "1"))
    with pytest.raises(WritesRefusedError, match="or its Sentinels"):
        await link.call(("SET", "key", "1"))
    await other.call(("REPLICAOF", "NO", "ONE"))
    assert await link.call(("CLIENT", "ID")) > [before]
    for each in (link, other):
        await each.drop()


async def test_a_replica_that_a_sentinel_still_takes_for_the_primary_is_not_used(site: Sentineled) -> None:
    primary, replica = site.servers
    for sentinel in site.sentinels:
        sentinel.signal(signal.SIGSTOP)  # nobody puts right what is done now
    primary.ask("REPLICAOF", "127.0.0.1", str(replica.port))
    for sentinel in site.sentinels:
        sentinel.signal(signal.SIGCONT)
    assert "the Sentinels name a server that is a replica now" in await refusal(site.url)


async def test_one_sentinel_is_enough_and_those_that_hang_are_not_waited_for(site: Sentineled) -> None:
    site.sentinels[0].signal(signal.SIGSTOP)
    site.sentinels[1].kill()
    began = time.monotonic()
    connection = await connected(site.url)
    assert time.monotonic() - began < 0.5
    await connection.disconnect()


async def test_without_a_sentinel_that_answers_each_is_named_within_two_seconds(site: Sentineled) -> None:
    hanging, killed, _ = site.sentinels
    hanging.signal(signal.SIGSTOP)
    for sentinel in site.sentinels[1:]:
        sentinel.kill()
    began = time.monotonic()
    said = await refusal(site.url)
    assert time.monotonic() - began < 2.0
    assert f"no Sentinel names the primary '{MASTER}': 127.0.0.1:{hanging.port}: does not answer" in said
    assert f"connecting to 127.0.0.1:{killed.port}" in said


async def test_a_primary_that_hangs_is_not_waited_for_longer_than_a_sentinel_takes_to_see_it(site: Sentineled) -> None:
    site.primary().signal(signal.SIGSTOP)
    link = RedisLink(lambda: site.url)
    allowed = DOWN_AFTER_SECONDS + ELECTION_SECONDS + RECONNECT_SECONDS
    await eventually(lambda: writes(link, "1"), seconds=allowed, what="the new primary to be written to")
    await link.drop()


async def test_a_name_that_no_sentinel_watches_is_said_with_those_that_they_do(site: Sentineled) -> None:
    said = await refusal(f"redis+sentinel://{site.hosts}/movies")
    assert "no Sentinel names the primary 'movies'" in said
    assert f"watches {MASTER} alone" in said


async def test_servers_and_sentinels_have_passwords_of_their_own(tmp_path: Path) -> None:
    with sentineled(tmp_path, password="of-servers", sentinel_password="of-sentinels") as site:
        link = RedisLink(lambda: site.url)
        assert await link.call(("PING",)) == [b"PONG"]
        await link.drop()
        without = await refusal(site.url.partition("?")[0])
        wrong = await refusal(site.url.replace("of-sentinels", "hush"))
        assert "sentinel_password in the URL" in without
        assert "sentinel_password in the URL" in wrong
        assert "uthentication" in await refusal(site.url.replace(":of-servers@", ""))
        for said in (without, wrong):
            assert "of-servers" not in said
            assert "hush" not in said


async def test_a_url_of_a_file_that_cannot_be_used_is_said_and_not_repeated() -> None:
    assert "names no primary" in await refusal("redis+sentinel://:hush@host:26379/0")
    assert "has a parameter that cannot be used" in await refusal(f"redis://127.0.0.1:{free_port()}/0?ssl_ca=/x")
    assert "has a parameter that cannot be used" in await refusal("rediss+sentinel://127.0.0.1/films?ssl_ca=/x")
    for url in ("redis://:hu/sh@host/0", "redis+sentinel://:hu/sh@host/films"):
        assert "hu/sh" not in await refusal(url)


async def test_a_broker_behind_sentinels_is_watched_on_after_a_failover(site: Sentineled) -> None:
    async with watching(site.url, poll_seconds=0.5) as watched:
        await watched.until("up", lambda: watched.health().status is SourceStatus.UP)
        old = site.primary()
        enqueue(old.port, "before")
        await watched.until("the first job", lambda: watched.state_of("before") is State.QUEUED)
        await eventually(lambda: site.servers[1].ask("EXISTS", "rq:job:before"), what="the job to be replicated")
        old.kill()
        await watched.until("down", lambda: watched.health().status is SourceStatus.DOWN)
        await eventually(lambda: site.primary() is not old, what="the failover")
        await eventually(lambda: (site.primary().ask("ROLE") or [""])[0] == "master", what="the new primary")
        enqueue(site.primary().port, "after")
        await watched.until("the second job", lambda: watched.state_of("after") is State.QUEUED)
        assert watched.state_of("before") is State.QUEUED


def enqueue(port: int, job: str) -> None:
    with redis.Redis(port=port) as client:
        put_job(client, job, "queued")
        client.rpush("rq:queue:main", job)


async def test_celery_workers_and_results_are_watched_by_sentinels(site: Sentineled, tmp_path: Path) -> None:
    app = App(*[f"redis://127.0.0.1:{site.primary().port}/0"] * 2)
    runner = runner_of(site.url, result_backend=site.url)
    assert all(CHECK_FAILED not in line for line in await runner.check())
    with app.worker("w1@host", "-c", "1", log=tmp_path / "worker.log"):
        async with celery_watching(runner, Recorder()) as recorder:
            await up(recorder, "w1@host")
            (added,) = await app.send("ids.append(add.delay(1, 2))")
            await eventually(lambda: "task-succeeded" in recorder.events(added), what="the task's end")
