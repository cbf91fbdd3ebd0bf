"""What the chart writes into the ConfigMap and its Secrets is what the services themselves read."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.helm import WAYS, Manifest, named, of_kind, render, rendered, with_source
from taskscope_shared import settings, tokens
from taskscope_shared.settings import SecretFile, Settings

FOLDER = "/etc/taskscope"


def config(manifests: tuple[Manifest, ...] | list[Manifest]) -> str:
    return str(named(manifests, "ConfigMap")["data"]["taskscope.yaml"])


def loaded(manifests: tuple[Manifest, ...] | list[Manifest], tmp_path: Path, **how: bool) -> Settings:
    file = tmp_path / "taskscope.yaml"
    file.write_text(config(manifests), encoding="utf-8")
    return settings.load(file, {}, {}, **how)


def decoded(secret: Manifest, key: str) -> str:
    return base64.b64decode(secret["data"][key]).decode()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.stem)
def test_collectors_read_it(way: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(way.read_text("utf-8"))
    configured = loaded(rendered(way), tmp_path, with_access=False)
    assert [source.name for source in configured.sources] == [source["name"] for source in values["sources"]]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.stem)
def test_apis_read_it(way: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(way.read_text("utf-8"))
    configured = loaded(rendered(way), tmp_path, with_brokers=False)
    assert configured.access.mode == values.get("access", {}).get("mode", "token")


def test_what_is_not_said_is_as_the_services_have_it(tmp_path: Path) -> None:
    configured, default = loaded(render(with_source()), tmp_path), Settings()
    for name in ("kinds", "retention", "redaction", "lease_seconds", "log_level", "api"):
        assert getattr(configured, name) == getattr(default, name), name


def test_what_is_said_arrives(tmp_path: Path) -> None:
    way = next(way for way in WAYS if way.stem == "redis-values")
    configured = loaded(rendered(way), tmp_path)
    archive, media = configured.sources
    assert isinstance(archive, settings.CelerySource)
    assert isinstance(media, settings.RqSource)
    assert archive.broker_url == SecretFile(file=f"{FOLDER}/secrets/archive/broker-url")
    assert archive.result_backend == SecretFile(file=f"{FOLDER}/secrets/archive/result-backend")
    assert (archive.inspect_seconds, archive.queues) == (10, ("video", "transcription"))
    assert (media.redis_url, media.poll_seconds) == (SecretFile(file=f"{FOLDER}/secrets/media/url"), 0.5)
    assert configured.redis == settings.Redis(url=SecretFile(file=f"{FOLDER}/redis/url"), prefix="monitoring")
    assert configured.kinds == {"vod": ("*vod*", "*video*"), "other-things": ("*thing*",)}
    assert (configured.retention.finished, configured.retention.log_bytes) == (50_000, 33_554_432)
    assert configured.redaction.keys == ("*password*", "*ssn*")


def test_where_traces_are_shown_arrives(tmp_path: Path) -> None:
    url = "https://jaeger.example.org/trace/{trace_id}?x=1"
    assert loaded(render(with_source(api={"traceUrl": url})), tmp_path).api.trace_url == url


def test_a_provider_arrives(tmp_path: Path) -> None:
    way = next(way for way in WAYS if way.stem == "oidc-values")
    access = loaded(rendered(way), tmp_path).access
    assert access.oidc is not None
    assert access.oidc.client_secret == SecretFile(file=f"{FOLDER}/oidc/client-secret")
    assert access.oidc.ca_file == f"{FOLDER}/oidc/ca.crt"
    assert (access.oidc.groups_claim, access.oidc.scopes[-1]) == ("realm_access.roles", "groups")
    assert [grant.role for grant in access.grants] == ["admin", "viewer", "operator"]
    assert access.session.key == SecretFile(file=f"{FOLDER}/access/session-key")


def test_an_issuer_whose_document_says_where_keys_are(tmp_path: Path) -> None:
    grants = [{"namespace": "a", "name": "b", "role": "viewer"}]
    accounts = {"enabled": True, "jwksUrl": "", "projectedToken": False, "grants": grants}
    found = loaded(render(with_source(access={"serviceAccounts": accounts})), tmp_path).access.service_accounts
    assert found is not None
    assert (found.jwks_url, found.token_file, found.ca_file) == (None, None, None)


def mounted(manifests: tuple[Manifest, ...], component: str) -> set[str]:
    """The files below /etc/taskscope in the pods of a component."""
    volumes = named(manifests, "Deployment", f"taskscope-{component}")["spec"]["template"]["spec"]["volumes"]
    files = set()
    for source in next(volume for volume in volumes if volume["name"] == "taskscope")["projected"]["sources"]:
        for kind, said in source.items():
            items = [{"path": "taskscope.yaml"}] if kind == "configMap" and "items" not in said else said.get("items", [said])
            files |= {f"{FOLDER}/{item['path']}" for item in items}
    return files


def files_of(value: Any) -> set[str]:
    if isinstance(value, SecretFile):
        return {value.file}
    if isinstance(value, dict):
        return {value["file"]} if set(value) == {"file"} else set().union(set(), *(files_of(each) for each in value.values()))
    return set().union(set(), *(files_of(each) for each in value)) if isinstance(value, list | tuple) else set()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.stem)
def test_each_file_that_is_named_is_mounted_where_it_is_read(way: Path, tmp_path: Path) -> None:
    collector = loaded(rendered(way), tmp_path, with_access=False).model_dump()
    api = loaded(rendered(way), tmp_path, with_brokers=False).model_dump()
    shared = {f"{FOLDER}/taskscope.yaml"}
    assert files_of(collector) | shared == mounted(rendered(way), "collector")
    cluster = api["access"]["service_accounts"] or {}
    paths = {cluster.get("token_file"), cluster.get("ca_file"), (api["access"]["oidc"] or {}).get("ca_file")} - {None}
    assert files_of(api) | shared | paths == mounted(rendered(way), "api")


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.stem)
def test_apis_get_no_secret_of_a_broker(way: Path) -> None:
    assert not [file for file in mounted(rendered(way), "api") if file.startswith(f"{FOLDER}/secrets/")]


def test_the_admins_token_is_one_that_the_api_takes() -> None:
    manifests = render(with_source())
    text = decoded(named(manifests, "Secret", "taskscope-admin-token"), "token")
    (token,) = tokens.parse(decoded(named(manifests, "Secret", "taskscope-tokens"), "tokens.yaml"))
    assert (token.id, token.hash) == (tokens.id_of(text), tokens.hash_of(text))
    assert (token.name, token.role, token.sources, token.expires_at) == ("admin", "admin", None, None)
    assert token.created_at is not None


def test_the_token_itself_is_in_no_pod_but_the_tests() -> None:
    users = [
        each["metadata"]["name"]
        for each in render(with_source())
        if "taskscope-admin-token" in yaml.safe_dump(each.get("spec"))
    ]
    assert users == ["taskscope-test"]


def test_each_render_makes_other_secrets() -> None:
    first, second = (decoded(named(render(with_source()), "Secret", "taskscope-session"), "session-key") for _ in range(2))
    assert first != second
    assert len(first) >= 32


def test_secrets_of_ones_own_leave_none_to_make() -> None:
    way = next(way for way in WAYS if way.stem == "ha-values")
    assert of_kind(rendered(way), "Secret") == []


def test_nobody_is_asked_where_that_was_said() -> None:
    manifests = render(with_source(access={"mode": "none"}))
    assert [each["metadata"]["name"] for each in of_kind(manifests, "Secret")] == ["taskscope-valkey"]


@pytest.mark.parametrize("redis", [{"url": "redis://r/0"}, {"existingSecret": {"name": "r"}}])
def test_valkey_is_off_as_soon_as_there_is_another_server(redis: dict[str, Any]) -> None:
    manifests = render(with_source(redis=redis))
    assert [each["metadata"]["name"] for each in manifests if "valkey" in each["metadata"]["name"]] == []


def test_valkey_refuses_writes_when_it_is_full_and_asks_for_its_password() -> None:
    manifests = render(with_source())
    secret, pod = named(manifests, "Secret", "taskscope-valkey"), named(manifests, "StatefulSet", "taskscope-valkey")
    arguments = pod["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--maxmemory-policy") + 1] == "noeviction"
    password = decoded(secret, "password")
    assert decoded(secret, "url") == f"redis://:{password}@taskscope-valkey:6379/0"
    assert decoded(secret, "valkey.conf") == f"requirepass {password}\n"
