"""Every scenario with every pool of Celery: real workers, a real broker, and the row that Taskscope has to show.

All pools run at the same time, once; each test compares one row. The observations are kept and applied in other orders.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.permute import assert_same_state_in_any_order
from support.scenarios.compare import differences, fields
from support.scenarios.drive import PRIORITIES
from support.scenarios.expected import CASES, POOLS, WITHOUT_BACKEND, rows_of
from support.scenarios.matrix import Outcome, run_pool, run_without_backend
from support.scenarios.recorded import of_task
from taskscope_shared.model import State

pytestmark = [pytest.mark.xdist_group("celery-scenarios"), pytest.mark.timeout(240)]
NOTICED_SECONDS = 15.0
ORDERS = 12


async def _run_all(logs: Path) -> dict[str, Outcome | BaseException]:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(4 * len(POOLS)))
    runs = {pool: run_pool(pool, _folder(logs, pool)) for pool in POOLS}
    runs |= {_bare(pool): run_without_backend(pool, _folder(logs, _bare(pool))) for pool in POOLS}
    outcomes = await asyncio.gather(*runs.values(), return_exceptions=True)
    return dict(zip(runs, outcomes, strict=True))


def _bare(pool: str) -> str:
    return f"{pool} without backend"


def _folder(logs: Path, name: str) -> Path:
    (logs / name).mkdir()
    return logs / name


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome | BaseException]:
    return asyncio.run(_run_all(tmp_path_factory.mktemp("celery")))


def _outcome(outcomes: dict[str, Outcome | BaseException], name: str) -> Outcome:
    outcome = outcomes[name]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


@pytest.mark.parametrize(("pool", "label"), CASES)
def test_task_is_shown_as_its_ledger_says(outcomes: dict[str, Outcome | BaseException], pool: str, label: str) -> None:
    assert differences(_outcome(outcomes, pool), label, rows_of(pool)[label]) == []


@pytest.mark.parametrize(("pool", "label"), [(pool, label) for pool in POOLS for label in WITHOUT_BACKEND])
def test_task_without_a_result_backend_is_known_from_events(
    outcomes: dict[str, Outcome | BaseException], pool: str, label: str
) -> None:
    assert differences(_outcome(outcomes, _bare(pool)), label, rows_of(pool)[label]) == []


@pytest.mark.parametrize(("pool", "label"), CASES)
def test_observations_give_the_same_row_in_any_order_and_repeated(
    outcomes: dict[str, Outcome | BaseException], pool: str, label: str
) -> None:
    outcome, row = _outcome(outcomes, pool), rows_of(pool)[label]
    task_id = outcome.sent[label].id
    recorded = of_task(outcome.observations, task_id, with_workers=State.LOST in (row.state, *row.history))
    assert_same_state_in_any_order(recorded, fields(outcome, label, row), task_id=task_id, orders=ORDERS)


@pytest.mark.parametrize(("pool", "label"), [(pool, label) for pool in POOLS for label in WITHOUT_BACKEND])
def test_observations_without_a_result_backend_give_the_same_row_in_any_order_and_repeated(
    outcomes: dict[str, Outcome | BaseException], pool: str, label: str
) -> None:
    outcome, row = _outcome(outcomes, _bare(pool)), rows_of(pool)[label]
    task_id = outcome.sent[label].id
    recorded = of_task(outcome.observations, task_id, with_workers=False)
    assert_same_state_in_any_order(recorded, fields(outcome, label, row), task_id=task_id, orders=ORDERS)


@pytest.mark.parametrize("pool", POOLS)
def test_depth_of_a_queue_counts_all_its_priorities(outcomes: dict[str, Outcome | BaseException], pool: str) -> None:
    assert _outcome(outcomes, pool).deepest["priorities"] == len(PRIORITIES)


KILLED = [("worker_killed", "doomed"), ("acks_late_redelivery", "late"), ("child_killed", "suicidal")]


@pytest.mark.parametrize(
    ("pool", "label", "worker"),
    # Of a prefork worker the child alone was killed, and the worker said so: there is a row for that.
    [(pool, *killed) for pool in POOLS for killed in KILLED if (pool, killed[0]) != ("prefork", "child_killed")],
)
def test_task_of_a_killed_worker_is_lost_or_comes_again_within_15_seconds(
    outcomes: dict[str, Outcome | BaseException], pool: str, label: str, worker: str
) -> None:
    outcome = _outcome(outcomes, pool)
    killed_at = outcome.killed_at[f"{worker}@{pool}"]
    moments = outcome.moments[outcome.sent[label].id]
    noticed = {moment.state for moment in moments if killed_at < moment.at <= killed_at + NOTICED_SECONDS}
    if pool == "solo":
        # Its message is not acknowledged before the task has ended: it waits all the time, and was never taken for running.
        assert moments[0].state is State.QUEUED
        assert State.RUNNING not in {moment.state for moment in moments if moment.at <= killed_at}
    else:
        assert noticed & {State.LOST, State.RETRYING}, moments
