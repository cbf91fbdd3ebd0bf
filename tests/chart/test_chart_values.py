"""What the chart takes: values, schema and README agree with each other and with the settings of the services."""

import importlib.util
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from support.helm import CHART, ROOT, VERSION, WAYS, RefusedError, render, run_helm, with_source
from taskscope_shared import settings, settings_access
from taskscope_shared.settings_problems import check_raw

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text("utf-8"))
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
OTHERS = ("global", "kinds")
"""`global` holds other charts' values, too; kinds are named by whoever configures them."""


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema


def objects(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the schema that says what it holds, with where it is."""
    schema = resolved(schema)
    if "properties" in schema:
        yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from objects(inner, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from objects(schema["items"], f"{path}[]")
    for inner in schema.get("oneOf", []):
        yield from objects(inner, path)


def leaves(values: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, value in values.items():
        here = f"{path}.{name}".lstrip(".")
        yield here
        if isinstance(value, dict):
            yield from leaves(value, here)


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def properties(path: str) -> set[str]:
    return set(dict(objects(SCHEMA))[path]["properties"])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.stem)
def test_every_way_of_running_it_passes_lint_and_schema(way: Any) -> None:
    run_helm("lint", "--strict", *VERSION, str(CHART), values=way)


def test_the_chart_passes_lint_by_itself() -> None:
    run_helm("lint", "--strict", *VERSION, str(CHART))


def test_no_object_of_the_schema_takes_what_it_does_not_know() -> None:
    assert [
        path for path, schema in objects(SCHEMA) if path not in OTHERS and schema.get("additionalProperties") is not False
    ] == []


def test_every_value_has_a_default_and_every_default_a_schema() -> None:
    known = {
        f"{path}.{name}".lstrip(".") for path, schema in objects(SCHEMA) if "[]" not in path for name in schema["properties"]
    }
    given = set(leaves(VALUES))
    open_ended = [
        path for path in known if resolved_default(path) == {}
    ]  # options: what is not said is as the services have it
    beside = {path for path in known if any(path.startswith(f"{each}.") for each in open_ended)}
    freely = {path for path in given - known if not path.startswith(("podSecurityContext.", "containerSecurityContext."))}
    optional = {path for path in known - given - beside if not path.endswith(("Probe.initialDelaySeconds", "resources.claims"))}
    assert {path for path in freely if ".resources." not in path} == set()
    assert {path for path in optional if "Probe." not in path} == set()


def resolved_default(path: str) -> Any:
    found: Any = VALUES
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return None
        found = found[name]
    return found


@pytest.mark.parametrize(
    ("path", "model", "elsewhere"),
    [
        ("retention", settings.Retention, set()),
        ("redaction", settings.Redaction, set()),
        ("api.push", settings.Push, set()),
        ("access.throttle", settings_access.Throttle, set()),
        ("access.default", settings_access.DefaultGrant, set()),
        ("access.grants[]", settings_access.Grant, set()),
        ("access.serviceAccounts.grants[]", settings_access.ServiceAccountGrant, set()),
        ("access.proxy.options", settings_access.Proxy, {"addresses"}),
        ("access.oidc.options", settings_access.Oidc, {"issuer", "client_id", "client_secret", "public_url", "ca_file"}),
        ("access.serviceAccounts.options", settings_access.ServiceAccounts, {"issuer", "audience", "jwks_url", "grants"}),
    ],
)
def test_every_setting_can_be_said(path: str, model: type[BaseModel], elsewhere: set[str]) -> None:
    assert properties(path) == {camel(name) for name in set(model.model_fields) - elsewhere}


def test_every_setting_of_a_source_can_be_said() -> None:
    fields = {*settings.CelerySource.model_fields, *settings.RqSource.model_fields}
    assert properties("sources[]") == {camel(name) for name in fields} | {"existingSecret"}


def test_the_readme_is_what_the_comments_say() -> None:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "deploy/helm/readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (CHART / "README.md").read_text("utf-8") == module.readme(), "make chart writes it"


def test_the_chart_has_the_version_of_the_services() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    workspace = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'\nversion = "{chart["appVersion"]}"\n' in workspace


@pytest.mark.parametrize(
    "url",
    [
        "https://jaeger.example.org/trace/{trace_id}",
        "http://127.0.0.1:16686?q={trace_id}",
        "https://jaeger.example.org/trace/",
        "https://{trace_id}.example.org/",
        "https://me:hidden@jaeger.example.org/{trace_id}",
        "javascript:{trace_id}",
    ],
)
def test_the_chart_takes_the_places_for_traces_that_the_api_takes(url: str) -> None:
    pattern = SCHEMA["properties"]["api"]["properties"]["traceUrl"]["pattern"]
    assert (re.search(pattern, url) is not None) == (not check_raw({"api": {"trace_url": url}}))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"sourcs": []}, "sourcs"),
        ({"api": {"replicas": 2}}, "replicas"),
        ({"api": {"replicaCount": "two"}}, "/api/replicaCount"),
        ({"api": {"replicaCount": 0}}, "/api/replicaCount"),
        ({"api": {"traceUrl": "https://jaeger.example.org/trace/"}}, "/api/traceUrl"),
        ({"api": {"traceUrl": "javascript:alert('{trace_id}')"}}, "/api/traceUrl"),
        ({"sources": [{"name": "a b", "engine": "rq"}]}, "/sources/0/name"),
        ({"sources": [{"name": "a", "engine": "dramatiq"}]}, "/sources/0/engine"),
        ({"sources": [{"name": "a", "engine": "celery", "brokerUrl": "sqs://"}]}, "/sources/0/brokerUrl"),
        ({"sources": [{"name": "a", "engine": "rq", "redisUrl": "redis://r", "pollSeconds": 0}]}, "/sources/0/pollSeconds"),
        ({"sources": [{"name": "a", "engine": "rq", "existingSecret": {"name": "s"}}]}, "keys"),
        ({"access": {"mode": "open"}}, "/access/mode"),
        ({"access": {"grants": [{"group": "g", "role": "owner"}]}}, "/access/grants/0/role"),
        ({"basePath": "taskscope"}, "/basePath"),
        ({"basePath": "/taskscope/"}, "/basePath"),
        ({"basePath": "/livez"}, "/basePath"),
        ({"redis": {"url": "http://redis"}}, "/redis/url"),
        ({"otel": {"protocol": "udp"}}, "/otel/protocol"),
        ({"networkPolicy": {"brokers": [{"cidr": "10.0.0.0/8"}]}}, "ports"),
        ({"commonLabels": {"tier": 1}}, "/commonLabels/tier"),
        ({"listenAddress": "127.0.0.1"}, "/listenAddress"),
    ],
)
def test_what_the_schema_does_not_know_is_refused_and_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(RefusedError) as refused:
        render({**with_source(), **values})
    assert named in str(refused.value)
