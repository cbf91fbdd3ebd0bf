"""What can be wrong with `access.oidc` and `access.service_accounts`, and how it is said."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from taskscope_shared.settings import SettingsError, load
from taskscope_shared.settings_access import ALGORITHMS, CLUSTER_KEYS, SecretFile

OIDC = {"issuer": "https://id.example.org", "client_id": "taskscope", "public_url": "https://tasks.example.org/t"}
ACCOUNTS = {
    "issuer": "https://kubernetes.default.svc.cluster.local",
    "grants": [{"namespace": "jobs", "name": "*", "role": "viewer"}],
}


def loaded(tmp_path: Path, access: dict[str, Any], environ: Mapping[str, str] = {}) -> Any:
    config = tmp_path / "taskscope.json"
    config.write_text(json.dumps({"access": access}))
    return load(config, environ=environ).access


def problems(tmp_path: Path, access: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        loaded(tmp_path, access)
    return [str(problem) for problem in refusal.value.problems]


def test_a_provider_needs_three_settings_and_the_rest_has_safe_defaults(tmp_path: Path) -> None:
    oidc = loaded(tmp_path, {"mode": "oidc", "oidc": OIDC}).oidc
    assert (oidc.scopes, oidc.groups_claim, oidc.leeway_seconds) == (("openid", "profile", "email"), "groups", 60)
    assert oidc.algorithms == ALGORITHMS
    assert set(map(str, ALGORITHMS)) & {"none", "HS256", "HS384", "HS512"} == set()
    assert loaded(
        tmp_path, {"mode": "token", "tokens": {"file": "t"}, "service_accounts": ACCOUNTS}
    ).service_accounts.jwks_url == (CLUSTER_KEYS)


def test_the_clients_secret_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    named = {**OIDC, "client_secret": "${OIDC_SECRET}"}
    assert loaded(tmp_path, {"mode": "oidc", "oidc": named}, {"OIDC_SECRET": "x"}).oidc.client_secret == "x"
    filed = {**OIDC, "client_secret": {"file": "/secrets/oidc"}}
    assert loaded(tmp_path, {"mode": "oidc", "oidc": filed}).oidc.client_secret == SecretFile(file="/secrets/oidc")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"issuer": "http://id.example.org"}, "access.oidc.issuer: is reached without TLS"),
        ({"issuer": "id.example.org"}, "access.oidc.issuer: is not an address"),
        ({"issuer": "https://id.example.org/?realm=a"}, "access.oidc.issuer: is not an address"),
        ({"issuer": "https://me:secret@id.example.org"}, "access.oidc.issuer: is not an address"),
        ({"public_url": "tasks.example.org"}, "access.oidc.public_url: is not where browsers find this"),
        ({"public_url": "https://tasks.example.org/#realtime"}, "access.oidc.public_url: is not where browsers find this"),
        ({"client_id": ""}, "access.oidc.client_id: is empty"),
        ({"scopes": ["email"]}, "access.oidc.scopes: does not hold openid"),
        ({"algorithms": ["HS256"]}, "access.oidc.algorithms[0]: should be 'RS256'"),
        ({"algorithms": ["none"]}, "access.oidc.algorithms[0]: should be 'RS256'"),
        ({"algorithms": []}, "access.oidc.algorithms: is empty"),
        ({"leeway_seconds": 3600}, "access.oidc.leeway_seconds: should be less than or equal to 300"),
        ({"client_secret": 7}, "access.oidc.client_secret: is neither a text nor {file: PATH}"),
        ({"clientid": "x"}, "access.oidc.clientid: is not a setting (did you mean client_id?)"),
    ],
)
def test_what_is_wrong_with_a_provider_is_said_with_its_path(tmp_path: Path, change: dict[str, Any], path: str) -> None:
    (problem,) = problems(tmp_path, {"mode": "oidc", "oidc": {**OIDC, **change}})
    assert problem.startswith(path)
    assert "secret@" not in problem


def test_a_provider_of_this_machine_may_speak_http(tmp_path: Path) -> None:
    for host in ("127.0.0.1:9", "localhost", "[::1]:9"):
        assert loaded(tmp_path, {"mode": "oidc", "oidc": {**OIDC, "issuer": f"http://{host}"}})


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"issuer": "http://kubernetes"}, "access.service_accounts.issuer: is reached without TLS"),
        ({"jwks_url": "http://10.0.0.1/keys"}, "access.service_accounts.jwks_url: is reached without TLS"),
        ({"audience": ""}, "access.service_accounts.audience: is empty"),
        ({"grants": []}, "access.service_accounts.grants: is missing"),
        (
            {"grants": [{"namespace": "", "name": "a", "role": "viewer"}]},
            "access.service_accounts.grants[0].namespace: is",
        ),
        ({"grants": [{"namespace": "a", "name": "a", "role": "root"}]}, "access.service_accounts.grants[0].role: should be"),
        (
            {"grants": [{"namespace": "a", "name": "a", "role": "viewer", "sources": []}]},
            "access.service_accounts.grants[0].sources: names no source",
        ),
        (
            {"grants": [{"namespace": "a", "name": "a", "role": "viewer", "sources": ["m*"]}]},
            "access.service_accounts.grants[0].sources[0]: cannot be the name of a source",
        ),
    ],
)
def test_what_is_wrong_with_service_accounts_is_said_with_its_path(tmp_path: Path, change: dict[str, Any], path: str) -> None:
    access = {"mode": "token", "tokens": {"file": "t"}, "service_accounts": {**ACCOUNTS, **change}}
    (problem,) = problems(tmp_path, access)
    assert problem.startswith(path)


@pytest.mark.parametrize(
    ("mode", "wrong"),
    [("none", "access.service_accounts: counts beside a mode that asks who somebody is"), (None, "access.mode: is missing")],
)
def test_service_accounts_count_beside_a_mode_that_asks(tmp_path: Path, mode: str | None, wrong: str) -> None:
    (problem,) = problems(tmp_path, {"mode": mode, "service_accounts": ACCOUNTS})
    assert problem.startswith(wrong)
