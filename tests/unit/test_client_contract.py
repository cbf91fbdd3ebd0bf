"""taskscope-client is what `/openapi.json` and `/asyncapi.json` say: every field, every parameter, every event."""

import inspect
import json
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
import taskscope_client
from taskscope_api import asyncapi, openapi
from taskscope_api.app import create_app
from taskscope_client import AsyncClient, Client, analytics, answers, calls, errors, rows, updates
from taskscope_client.answers import Page
from taskscope_client.filters import TaskFilters
from taskscope_client.session import Session
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings import Settings
from taskscope_shared.testing import MemoryStore

LEFT_OUT = {
    "/api/celery/tasks": "tasks(engine='celery')",
    "/api/celery/workers": "workers(engine='celery')",
    "/api/rq/jobs": "tasks(engine='rq')",
    "/api/rq/workers": "workers(engine='rq')",
    "/api/stream": "stream(), over the WebSocket",
    "/api/session": "for browsers: services send a token",
    "/livez": "for probes",
    "/readyz": "for probes",
    "/openapi.json": "for people and generators",
    "/asyncapi.json": "for people and generators",
}
"""Routes without a method, and why."""
METHODS = {
    "/api/tasks": "tasks_page",
    "/api/tasks/facets": "facets",
    "/api/tasks/realtime": "realtime",
    "/api/tasks/analytics": "analytics",
    "/api/tasks/analytics/failures": "failures",
    "/api/tasks/{task_id}": "task",
    "/api/tasks/{source}/{task_id}": "task",
    "/api/workers": "workers",
    "/api/workers/{source}/{name}": "worker",
    "/api/queues": "queues",
    "/api/sources": "sources",
    "/api/kinds": "kinds",
    "/api/health": "health",
}
FILES = {"format", "table"}
"""Parameters of files, which the client does not ask for."""
PAGES = {"limit", "cursor", "offset"}
"""What methods that take all pages say themselves."""
NAMES = {
    "TaskRow": "Task",
    "TaskRowPart": "Task",
    "WorkerRow": "Worker",
    "QueueRow": "Queue",
    "SourceRow": "Source",
    "ProgressRow": "Progress",
    "AttemptRow": "Attempt",
    "PlaceRow": "Place",
    "GroupCounts": "Counts",
    "KindRow": "Kind",
    "DurationsRow": "Durations",
    "ExampleRow": "Example",
    "GroupRow": "AnalyticsGroup",
    "StretchRow": "Stretch",
    "Columns": "Series",
    "SeriesRow": "SeriesSet",
    "DrainRow": "Drain",
    "FailureRow": "FailureGroup",
    "SnapshotData": "Snapshot",
    "DeltaData": "Delta",
    "Joined": "",
    "ProblemData": "Problem",
    "Changes_WorkerRow_": "Changes_Worker_",
    "Changes_QueueRow_": "Changes_Queue_",
}
"""The api's structs under the client's names, where they differ."""
MODULES = (rows, answers, analytics, updates, errors)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    clock = ManualClock()
    return openapi.document(create_app(Settings(), MemoryStore(clock), clock))


def ours(*more: Any) -> dict[str, Any]:
    """Name -> schema of every struct of the client."""
    structs = [
        each
        for module in MODULES
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, (rows.Row, errors.Problem))
    ]
    return msgspec.json.schema_components([*structs, *more])[1]


def shape(schema: dict[str, Any], components: dict[str, Any], names: dict[str, str]) -> Any:
    """What a schema says of a value's type alone."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if "enum" in components.get(name, {}):
            return "string"
        return f"#{names.get(name, name)}"
    if "anyOf" in schema:
        found = {json.dumps(shape(one, components, names)) for one in schema["anyOf"]}
        return json.loads(next(iter(found))) if len(found) == 1 else sorted(found)
    if schema.get("type") == "array":
        items = schema.get("prefixItems", [schema.get("items")])
        return ["array", *(shape(item, components, names) for item in items)]
    if schema.get("type") == "object":
        of = schema.get("additionalProperties")
        return ["object", shape(of, components, names) if isinstance(of, dict) else None]
    if "enum" in schema:
        return "string"
    return schema.get("format") if schema.get("format") == "date-time" else schema.get("type")


def disagreements(theirs: dict[str, Any], names: set[str]) -> list[str]:
    mine, found = ours(), list[str]()
    for name in sorted(names):
        told = theirs[name]["properties"]
        known = mine[NAMES.get(name, name)]["properties"]
        found += [f"{name}.{field} is told, and not known" for field in told.keys() - known.keys()]
        if name not in ("ProblemData", "TaskRowPart"):  # has less than an answer's
            found += [f"{name}.{field} is known, and not told" for field in known.keys() - told.keys()]
        found += [
            f"{name}.{field} is {shape(told[field], theirs, NAMES)}, not {shape(known[field], mine, {})}"
            for field in told.keys() & known.keys()
            if shape(told[field], theirs, NAMES) != shape(known[field], mine, {})
        ]
    return found


def reached(schema: Any, components: dict[str, Any], found: set[str]) -> set[str]:
    """Names of the components with members that a schema leads to."""
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and name not in found:
            found.add(name)
            reached(components[name], components, found)
        for each in schema.values():
            reached(each, components, found)
    elif isinstance(schema, list):
        for each in schema:
            reached(each, components, found)
    return found


def test_every_route_has_a_method_or_a_reason_why_not(document: dict[str, Any]) -> None:
    assert set(document["paths"]) == set(METHODS) | set(LEFT_OUT)


def test_every_field_that_is_answered_is_known_with_its_type(document: dict[str, Any]) -> None:
    components = document["components"]["schemas"]
    wanted = {"Problem"}
    for path in METHODS:
        answer = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        wanted |= reached(answer, components, set())
    pages = {name for name in wanted if name.endswith(("List", "ListPart"))}
    for name in pages:
        assert set(components[name]["properties"]) == set(Page.__struct_fields__), name
    structs = {name for name in wanted - pages if "properties" in components[name]}
    assert len(structs) > 30
    assert "\n".join(disagreements(components, structs)) == ""


def test_every_field_that_is_pushed_is_known_with_its_type() -> None:
    components = asyncapi.document()["components"]["schemas"]
    wanted = reached(
        [{"$ref": f"#/{name}"} for name in ("SnapshotData", "DeltaData", "Connected", "Resync")], components, set()
    )
    wanted |= {"ProblemData"}
    assert disagreements(components, {name for name in wanted if "properties" in components[name]}) == []


def taken(method: Any) -> set[str]:
    """Names of what a method takes; those of a TypedDict's members for `**filters`."""
    signature, hints = inspect.signature(method), get_type_hints(method)
    names = set[str]()
    for name, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            names |= get_type_hints(get_args(hints[name])[0]).keys()
        elif name != "self":
            names.add(name)
    return names


@pytest.mark.parametrize(("path", "method"), METHODS.items())
def test_every_parameter_can_be_given_and_no_other(document: dict[str, Any], path: str, method: str) -> None:
    listed = {one["name"] for one in document["paths"][path]["get"]["parameters"]}
    known = {{"id": "task_id"}.get(name, name) for name in taken(getattr(Client, method))}
    expected = listed - FILES
    if not {"limit", "cursor"} & known:
        expected -= PAGES
    if path == "/api/tasks/{task_id}" or path == "/api/tasks/{source}/{task_id}":
        expected |= {"source"}
    assert known == expected


def test_lists_of_tasks_take_the_same_whether_page_by_page_or_not() -> None:
    assert taken(Client.tasks) - {"page_size"} == taken(Client.tasks_page) - PAGES


def test_a_join_says_every_member_of_a_subscription_and_every_filter() -> None:
    components = asyncapi.document()["components"]["schemas"]
    session = Session({"state": "failed", "q": "x"}, "live", 5, ["id"])
    message = json.loads(session.join())
    assert message["event"] in asyncapi.CLIENT_EVENTS
    assert set(message["data"]) == set(components["Join"]["properties"])
    assert message["data"]["filter"] == {"state": ["failed"], "q": "x"}
    assert set(get_type_hints(TaskFilters)) == set(components["Filter"]["properties"])
    lists = {name for name, one in components["Filter"]["properties"].items() if one.get("type") == "array"}
    every = {name: ["x"] if name in lists else "x" for name in components["Filter"]["properties"]}
    asked = json.loads(Session(dict.fromkeys(every, "x"), None, 1, None).join())["data"]["filter"]
    assert asked == every


def test_both_clients_and_both_streams_are_alike() -> None:
    for one, other in ((Client, AsyncClient), (taskscope_client.Stream, taskscope_client.AsyncStream)):
        public = {name for name in vars(one) if not name.startswith("_")}
        assert public == {name for name in vars(other) if not name.startswith("_")}
        for name in public:
            if callable(getattr(one, name)):
                assert taken(getattr(one, name)) == taken(getattr(other, name)), name


def test_what_is_asked_for_has_a_path_of_the_document() -> None:
    asked = [
        calls.tasks({}, None, 1, None, None),
        calls.task("a b", None),
        calls.task("a", "s/t"),
        calls.facets({}, 1),
        calls.realtime(None, None),
        calls.analytics("1h", {}),
        calls.failures("1h", {}),
        calls.workers({}),
        calls.worker("s", "w@h"),
        calls.queues({}),
        calls.sources({}),
        calls.kinds({}),
        calls.health(),
    ]
    paths = [call.path for call in asked]  # type: ignore[attr-defined]  # of different answers
    assert paths[1:3] == ["/api/tasks/a%20b", "/api/tasks/s%2Ft/a"]
    assert calls.task("a/b", "s").path == "/api/tasks/s/a%2Fb"
    with pytest.raises(ValueError, match="source"):
        calls.task("a/b", None)
    known = {path for path in METHODS if "{" not in path}
    assert {path for path in paths if "%" not in path and "@" not in path} - known == set()
