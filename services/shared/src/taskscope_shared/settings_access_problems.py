"""What can be wrong with `access` and with whom `api` trusts, that no type tells."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from taskscope_shared.settings_issuer_problems import check_oidc, check_service_accounts
from taskscope_shared.settings_problems import NAME, Problem

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
NEED_A_MODE = {"tokens": "file", "proxy": "addresses", "oidc": "issuer", "service_accounts": "issuer"}
"""What would be of no use without one, and the member by which it is known to be meant."""
MODES_OF = {
    "tokens": "token",
    "proxy": "proxy",
    "oidc": "oidc",
    "service_accounts": "token, proxy or oidc",
    "grants": "proxy or oidc",
}
"""The modes for which each of these is."""
KEY_CHARACTERS = 32
"""Of the key that signs sessions, at least."""


def check_access(data: Mapping[str, Any]) -> list[Problem]:
    """Problems of the merged, interpolated data."""
    access, api = _mapping(data.get("access")), _mapping(data.get("api"))
    return [
        *_modes(access),
        *_grants(access),
        *_proxy(access),
        *check_oidc(_mapping(access.get("oidc"))),
        *check_service_accounts(access),
        *_session(access),
        *_api(api),
        *_public_path(_mapping(access.get("oidc")).get("public_url"), api.get("base_path")),
    ]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _modes(access: Mapping[str, Any]) -> Iterator[Problem]:
    mode = access.get("mode")
    if mode is None and (given := list(_of_no_use(access))):
        hint = f"mode: {MODES_OF[given[0]]}; or none, which says that nobody is asked all the same"
        yield Problem("access.mode", f"is missing: without it nobody is asked, though there is access.{given[0]}", hint)
    if mode == "token" and not access.get("tokens"):
        yield Problem("access.tokens", "is missing: the mode token needs it", "tokens: {file: /etc/taskscope/tokens.yaml}")
    if mode == "proxy" and not _items(_mapping(access.get("proxy")).get("addresses")):
        yield Problem("access.proxy.addresses", "is missing: the mode proxy needs it", "proxy: {addresses: [10.0.0.0/8]}")
    if mode == "oidc" and access.get("oidc") is None:
        yield Problem("access.oidc", "is missing: the mode oidc needs it", "see docs/oidc.md")


def _of_no_use(access: Mapping[str, Any]) -> Iterator[str]:
    """What is said of who may see what, though nobody is asked who they are."""
    yield from (name for name, member in NEED_A_MODE.items() if _mapping(access.get(name)).get(member))
    if _items(access.get("grants")):
        yield "grants"


def _grants(access: Mapping[str, Any]) -> Iterator[Problem]:
    for index, grant in enumerate(_items(access.get("grants"))):
        path = f"access.grants[{index}]"
        if isinstance(grant, Mapping):
            if (grant.get("group") is None) == (grant.get("user") is None):
                yield Problem(path, "needs either a group or a user", "{group: media-team, role: viewer}")
            yield from (
                Problem(f"{path}.{name}", "is empty", "* stands for nobody here: see access.default")
                for name in ("group", "user")
                if grant.get(name) == ""
            )
            yield from _sources(path, grant)
    yield from _sources("access.default", _mapping(access.get("default")))


def _sources(path: str, holder: Mapping[str, Any]) -> Iterator[Problem]:
    sources = holder.get("sources")
    if isinstance(sources, list | tuple):
        if not sources:
            yield Problem(f"{path}.sources", "names no source", "leave it out for all of them")
        for index, name in enumerate(sources):
            if isinstance(name, str) and not NAME.fullmatch(name):
                yield Problem(f"{path}.sources[{index}]", "cannot be the name of a source", "patterns are not taken here")


def _proxy(access: Mapping[str, Any]) -> Iterator[Problem]:
    proxy = _mapping(access.get("proxy"))
    yield from networks("access.proxy.addresses", proxy.get("addresses"))
    for name in ("user_header", "groups_header", "name_header"):
        if isinstance(header := proxy.get(name), str) and not _HEADER.fullmatch(header):
            yield Problem(f"access.proxy.{name}", "is not the name of a header", "X-Forwarded-User")


def _session(access: Mapping[str, Any]) -> Iterator[Problem]:
    key = _mapping(access.get("session")).get("key")
    if isinstance(key, str) and "${" not in key and len(key) < KEY_CHARACTERS:
        hint = "openssl rand -hex 32 makes one"
        yield Problem("access.session.key", f"is too short: it needs {KEY_CHARACTERS} characters at least", hint)


def _api(api: Mapping[str, Any]) -> Iterator[Problem]:
    yield from networks("api.trusted_proxies", api.get("trusted_proxies"))
    for index, origin in enumerate(_items(api.get("allowed_origins"))):
        if isinstance(origin, str) and not _is_origin(origin):
            yield Problem(f"api.allowed_origins[{index}]", "is not an origin", "https://wall.example.org, without a path")


def _public_path(public: object, base: object) -> Iterator[Problem]:
    """Browsers come back from the provider to `public_url`, which has to lead to what is served below `base_path`."""
    if not isinstance(public, str) or not isinstance(base, str) or not base or "${" in public + base:
        return
    try:
        path = urlsplit(public).path
    except ValueError:
        return
    if not path.rstrip("/").endswith(base):
        hint = f"public_url: https://tasks.example.org{base}"
        yield Problem("access.oidc.public_url", f"does not end with {base[:40]}, below which api.base_path serves", hint)


def networks(path: str, value: object) -> Iterator[Problem]:
    """A problem for each item that is neither an address nor a network."""
    for index, item in enumerate(_items(value)):
        if isinstance(item, str) and not _is_network(item):
            yield Problem(f"{path}[{index}]", f"{item[:40]!r} is neither an address nor a network", "10.0.0.0/8, or 192.0.2.7")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return False
