"""Who somebody is, by what their provider claims of them: a name for grants, and groups."""

from collections.abc import Mapping
from typing import Any

from taskscope_shared.settings_access import Oidc

MAX_GROUPS = 2_000
MAX_TEXT = 256


class People:
    """Reads claims as it is configured."""

    def __init__(self, oidc: Oidc) -> None:
        self._username_claim = oidc.username_claim
        self._groups_claim = oidc.groups_claim

    def user(self, claims: Mapping[str, Any]) -> str | None:
        """The name that grants know; None where no claim says one."""
        if self._username_claim is not None:
            return _text(_claim(claims, self._username_claim))
        verified = claims.get("email_verified") is not False  # one that anybody may write into their profile names nobody
        email = _text(claims.get("email")) if verified else None
        return _text(claims.get("preferred_username")) or email or _text(claims.get("sub"))

    def groups(self, claims: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Their groups, at most 2,000; None where the claim is not there."""
        found = _claim(claims, self._groups_claim)
        if found is None:
            return None
        listed = found if isinstance(found, list) else [found]
        return tuple(text for each in listed[:MAX_GROUPS] if (text := _text(each)) is not None)

    def is_told(self, claims: Mapping[str, Any]) -> bool:
        """Whether nothing is missing that the provider could say elsewhere."""
        named = _claim(claims, self._username_claim or "preferred_username") is not None
        return named and self.groups(claims) is not None


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """`a.b` is a claim of that name, or else the member b of the claim a."""
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable() else None
