"""The api does what `/openapi.json` says: schemathesis asks it whatever the document allows, and what it does not."""

import asyncio
import re
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import from_schema
from schemathesis.engine.events import EngineEvent, FatalError, NonFatalError, ScenarioFinished
from support.api import START, Writing, task
from taskscope_api import openapi
from taskscope_api.app import create_app
from taskscope_api.schema_examples import resolved
from taskscope_shared.clock import ManualClock
from taskscope_shared.model import Attempt, Engine, Progress, Queue, State, Worker, WorkerState
from taskscope_shared.settings import Api, Settings
from taskscope_shared.testing import MemoryStore

EXAMPLES = 20
"""Of each operation and phase; what the document's limits say is tried one by one besides."""
SECONDS = 240
NOW = 1_772_442_000.0
"""Some hours after the times that the examples of the document name."""

EMPTY = re.compile(r"[?&]\w+=(?=[&']|$)")
"""In a URL an empty text in place of a list looks like a list of one empty text, which is allowed."""


async def _written() -> MemoryStore:
    clock = ManualClock(NOW)
    store = MemoryStore(clock)
    states = list(State)
    attempt = Attempt(1, State.RETRYING, worker="w", finished_at=START + 0.25, exception_type="ValueError")
    tasks = [
        task(str(number), state=states[number % len(states)], queue="q1", worker="w", kind="vod", updated_at=START + number)
        for number in range(120)
    ]
    tasks.append(task("6f1d2c", history=(attempt,), attempts=2, progress=Progress(1, 4, 25.0, "one", START), args="(1,)"))
    worker = Worker("w", "archivist", Engine.CELERY, WorkerState.ONLINE, heartbeat_at=START, load=(0.5, 0.5, 0.5))
    queues = [Queue(f"q{number}", "archivist", Engine.CELERY, depth=number) for number in range(3)]
    await (await Writing(store, clock, "archivist").begin()).write(*tasks, workers=[worker], queues=queues)
    await (await Writing(store, clock, "media").begin()).write(task("same", source="media"), task("6f1d2c", source="media"))
    return store


def _document(app: Any) -> dict[str, Any]:
    """As schemathesis can go by it.

    Without cursors: one is what an answer gave for the same sort, and nothing that a schema can say; nor can it say that an
    offset is for pages alone, and not for files. Lists may hold empty text instead of being empty: where it may be empty,
    schemathesis takes `queue=6` for a number, and its acceptance for a fault.
    """
    document = openapi.document(app)
    del document["paths"]["/api/stream"]  # its answer has no end; test_api_stream.py asks it
    schemas = document["components"]["schemas"]
    for path in document["paths"].values():
        listed = [one for one in path["get"]["parameters"] if one["name"] not in ("cursor", "offset")]
        path["get"]["parameters"] = [_with_empty_items(one, schemas) for one in listed]
    return document


def _with_empty_items(parameter: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    schema = parameter["schema"]
    if schema.get("type") != "array":
        return parameter
    items = resolved(schema["items"], schemas)
    if "enum" in items:
        items = {"type": "string", "enum": [*items["enum"], ""]}
    return {
        **{key: value for key, value in parameter.items() if key != "allowEmptyValue"},
        "schema": {**schema, "items": items},
    }


def _failures(event: EngineEvent) -> list[str]:
    if isinstance(event, NonFatalError | FatalError):
        return [f"{event}"]
    if not isinstance(event, ScenarioFinished):
        return []
    recorder = event.recorder
    return [
        f"{event.phase}: {check.name}: {recorder.cases[id_].value.as_curl_command()}: {check.failure_info.failure}"
        for id_, checks in recorder.checks.items()
        for check in checks
        if check.failure_info is not None
        and not (check.name == "negative_data_rejection" and EMPTY.search(recorder.cases[id_].value.as_curl_command()))
    ]


def described(base: str = "", examples: int = EXAMPLES) -> Any:
    """What schemathesis knows of the api, and how it asks it."""
    app: Any = create_app(Settings(api=Api(base_path=base)), asyncio.run(_written()), ManualClock(NOW))
    config = SchemathesisConfig.from_dict(
        {
            "generation": {"deterministic": True, "max-examples": examples, "no-shrink": True},
            "operations": [
                # What is summed up cannot be asked by any two filters at once: the answer says which go together.
                {
                    "include-path": "/api/tasks/analytics",
                    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400"]}},
                },
                # How far back a window may end is counted from now, which no schema can say.
                {
                    "include-path": "/api/tasks/analytics/failures",
                    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400"]}},
                },
            ],
        }
    )
    document = _document(app) | {"servers": [{"url": base or "/"}]}
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.app = app
    return schema


@pytest.mark.timeout(SECONDS)
def test_the_api_answers_as_it_is_described_whatever_it_is_asked() -> None:
    events = list(from_schema(described()).execute())
    assert {event.phase.value for event in events if isinstance(event, ScenarioFinished)} >= {"coverage", "fuzzing", "stateful"}
    assert [failure for event in events for failure in _failures(event)] == []


@pytest.mark.timeout(SECONDS)
def test_below_a_path_it_does_so_too() -> None:
    events = list(from_schema(described("/monitoring/tasks", 2)).execute())
    asked = [case for event in events if isinstance(event, ScenarioFinished) for case in event.recorder.cases.values()]
    assert len(asked) > 100
    assert all(case.value.as_curl_command().count("/monitoring/tasks/") == 1 for case in asked[:100])
    assert [failure for event in events for failure in _failures(event)] == []
