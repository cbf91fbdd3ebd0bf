"""What can be configured of access, and how it is said what is wrong with it."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from taskscope_api.exposure import exposure
from taskscope_shared.settings import Settings, SettingsError, load

WHOLE = """
access:
  mode: proxy
  tokens: {file: /etc/taskscope/tokens.yaml}
  grants:
    - {group: media, role: viewer, sources: [archivist]}
    - {user: ada@example.org, role: admin}
  default: {role: viewer, sources: [public]}
  proxy: {addresses: [10.0.0.0/8, "fd00::1"], user_header: Remote-User, groups_header: Remote-Groups, seconds: 600}
  session: {key: {file: /secrets/session-key}, seconds: 3600}
  throttle: {failures: 5, seconds: 30}
api:
  trusted_proxies: [192.0.2.7]
  allowed_origins: ["https://wall.example.org"]
"""


def loaded(tmp_path: Path, text: str, environ: Mapping[str, str] = {}, **options: bool) -> Settings:
    file = tmp_path / "taskscope.yaml"
    file.write_text(text)
    return load(file, {}, environ, **options)


def problems(tmp_path: Path, text: str, environ: Mapping[str, str] = {}) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, text, environ)
    return {problem.path: str(problem) for problem in caught.value.problems}


def test_all_of_it_can_be_said(tmp_path: Path) -> None:
    access = loaded(tmp_path, WHOLE).access
    assert access.proxy is not None
    assert (access.mode, access.proxy.user_header, access.session.seconds) == ("proxy", "Remote-User", 3600)
    assert [(grant.group, grant.user, grant.role, grant.sources) for grant in access.grants] == [
        ("media", None, "viewer", ("archivist",)),
        (None, "ada@example.org", "admin", None),
    ]


@pytest.mark.parametrize(
    ("access", "path", "says"),
    [
        ("{mode: tokens}", "access.mode", "'none', 'token', 'proxy' or 'oidc'"),
        ("{mode: token}", "access.tokens", "the mode token needs it"),
        ("{mode: proxy}", "access.proxy.addresses", "the mode proxy needs it"),
        ("{mode: proxy, proxy: {addresses: []}}", "access.proxy.addresses", "the mode proxy needs it"),
        ("{mode: oidc}", "access.oidc", "the mode oidc needs it"),
        ("{proxy: {addresses: [10.0.0.0/33, 10.0.0.1]}}", "access.proxy.addresses[0]", "neither an address nor a network"),
        ("{proxy: {user_header: 'a b'}}", "access.proxy.user_header", "is not the name of a header"),
        ("{grants: [{role: viewer}]}", "access.grants[0]", "either a group or a user"),
        ("{grants: [{group: a, user: b, role: viewer}]}", "access.grants[0]", "either a group or a user"),
        ("{grants: [{group: '', role: viewer}]}", "access.grants[0].group", "is empty"),
        ("{grants: [{group: a, role: boss}]}", "access.grants[0].role", "'viewer', 'operator' or 'admin'"),
        ("{grants: [{group: a}]}", "access.grants[0].role", "is missing"),
        ("{grants: [{group: a, role: viewer, sources: []}]}", "access.grants[0].sources", "leave it out for all"),
        ("{grants: [{group: a, role: viewer, sources: ['*']}]}", "access.grants[0].sources[0]", "patterns are not taken"),
        ("{grants: [{group: a, rolle: viewer}]}", "access.grants[0].rolle", "did you mean role?"),
        ("{default: {sources: []}}", "access.default.sources", "leave it out for all"),
        ("{session: {key: hunter2hunter2}}", "access.session.key", "32 characters at least"),
        ("{session: {key: 5}}", "access.session.key", "is neither a text nor {file: PATH}"),
        ("{session: {key: {path: x}}}", "access.session.key", "is neither a text nor {file: PATH}"),
        ("{session: {seconds: 5}}", "access.session.seconds", "greater than or equal to 60"),
        ("{sesion: {}}", "access.sesion", "did you mean session?"),
        ("{proxy: {addreses: []}}", "access.proxy.addreses", "did you mean addresses?"),
        ("{tokens: tokens.yaml}", "access.tokens", "write a mapping"),
        ("{tokens: {file: t.yaml}}", "access.mode", "is missing: without it nobody is asked, though there is access.tokens"),
        ("{tokens: {file: t.yaml}}", "access.mode", "(mode: token; or none"),
        ("{grants: [{user: a, role: viewer}]}", "access.mode", "(mode: proxy or oidc; or none"),
        ("{mode: oidc}", "access.oidc", "see docs/oidc.md"),
        ("{throttle: {failures: 0}}", "access.throttle.failures", "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said_by_its_path(tmp_path: Path, access: str, path: str, says: str) -> None:
    found = problems(tmp_path, f"access: {access}\n")
    assert says in found[path]
    assert "hunter2" not in "".join(found.values())


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = "access: {mode: token, grants: [{group: a, role: x}], session: {key: short}}\napi: {allowed_origins: ['x/']}\n"
    assert set(problems(tmp_path, text)) == {
        "access.tokens",
        "access.grants[0].role",
        "access.session.key",
        "api.allowed_origins[0]",
    }


@pytest.mark.parametrize(
    ("api", "path"),
    [
        ("{trusted_proxies: [proxy.example]}", "api.trusted_proxies[0]"),
        ("{allowed_origins: [wall.example]}", "api.allowed_origins[0]"),
        ("{allowed_origins: ['https://wall.example/page']}", "api.allowed_origins[0]"),
        ("{allowed_origins: ['*']}", "api.allowed_origins[0]"),
    ],
)
def test_whom_the_api_believes_has_to_be_an_address_or_an_origin(tmp_path: Path, api: str, path: str) -> None:
    assert set(problems(tmp_path, f"api: {api}\n")) == {path}


@pytest.mark.parametrize(
    "url",
    [
        "https://jaeger.example/trace/{trace_id}",
        "http://127.0.0.1:16686/trace/{trace_id}?uiFind=x#top",
        "HTTPS://[::1]:3000/explore?left=%5B%22{trace_id}%22%5D",
        'https://grafana.example/explore?panes={"a":{"query":"{trace_id}"}}'.replace('"', "%22"),
    ],
)
def test_traces_may_be_shown_anywhere(tmp_path: Path, url: str) -> None:
    assert loaded(tmp_path, "", {"TASKSCOPE_API__TRACE_URL": url}).api.trace_url == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("jaeger.example/trace/{trace_id}", "http"),
        ("javascript://x.example/%0A{trace_id}", "http"),
        ("ftp://x.example/{trace_id}", "http"),
        ("https://x.example/trace/", "{trace_id}"),
        ("https://x.example/trace/{traceId}", "{trace_id}"),
        ("https:///trace/{trace_id}", "host"),
        ("https://x.example:port/{trace_id}", "host"),
        ("https://{trace_id}.x.example/", "in its host"),
        ("https://me:hidden@x.example/{trace_id}", "password"),
        ("https://x.example/a b/{trace_id}", "escape"),
        ("https://x.example/<{trace_id}>", "escape"),
        ("", "http"),
    ],
)
def test_what_cannot_show_a_trace_is_a_problem_that_says_what_can(tmp_path: Path, url: str, says: str) -> None:
    found = problems(tmp_path, f"api: {{trace_url: '{url}'}}\n")
    assert set(found) == {"api.trace_url"}
    assert says in found["api.trace_url"]
    assert "https://traces.example.org/trace/{trace_id}" in found["api.trace_url"]
    assert "hidden" not in found["api.trace_url"]


@pytest.mark.parametrize("base", ["", "/t", "/monitoring/tasks", "/a.b/~c_d-e", "/livez-of/x"])
def test_all_may_be_served_below_a_path(tmp_path: Path, base: str) -> None:
    assert loaded(tmp_path, "", {"TASKSCOPE_API__BASE_PATH": base}).api.base_path == base


@pytest.mark.parametrize(
    "base", ["/", "t", "/t/", "//t", "/t//u", "/..", "/t/../u", "/a b", "/a?b", "https://x/t", "/livez", "/healthz/x"]
)
def test_a_path_that_nothing_can_be_served_below_is_a_problem_that_says_what_can(tmp_path: Path, base: str) -> None:
    found = problems(tmp_path, f"api: {{base_path: '{base}'}}\n")
    assert set(found) == {"api.base_path"}
    assert "/monitoring/tasks" in found["api.base_path"]


@pytest.mark.parametrize(
    ("public", "fits"),
    [
        ("https://x.example/t", True),
        ("https://x.example/t/", True),
        ("https://x.example", False),
        ("https://x.example/u", False),
    ],
)
def test_browsers_come_back_from_the_provider_to_what_is_served(tmp_path: Path, public: str, *, fits: bool) -> None:
    oidc = f"{{issuer: 'https://id.example', client_id: taskscope, public_url: '{public}'}}"
    text = f"api: {{base_path: /t}}\naccess: {{mode: oidc, oidc: {oidc}}}\n"
    if fits:
        assert loaded(tmp_path, text).api.base_path == "/t"
    else:
        assert set(problems(tmp_path, text)) == {"access.oidc.public_url"}


def test_variables_set_it_too(tmp_path: Path) -> None:
    said = {"TASKSCOPE_ACCESS__MODE": "token", "TASKSCOPE_ACCESS__TOKENS__FILE": "/t.yaml"}
    tokens = loaded(tmp_path, "", said).access.tokens
    assert tokens is not None
    assert tokens.file == "/t.yaml"
    assert "not set" in problems(tmp_path, "access: {session: {key: '${NOT_SET}'}}\n")["access.session.key"]


def test_a_collector_needs_none_of_its_secrets(tmp_path: Path) -> None:
    text = "access: {mode: token, session: {key: '${NOT_SET}'}}\n"
    assert loaded(tmp_path, text, with_access=False).access == Settings().access


@pytest.mark.parametrize("mode", ["token", "proxy", "oidc", "none"])
def test_a_mode_that_was_said_may_be_reached_from_elsewhere(mode: str) -> None:
    settings = Settings.model_validate({"access": {"mode": mode}, "api": {"host": "0.0.0.0"}})
    assert exposure(settings) is None
    unsaid = exposure(Settings.model_validate({"api": {"host": "0.0.0.0"}})) or ""
    assert mode in unsaid
