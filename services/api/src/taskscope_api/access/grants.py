"""What people of a provider or a proxy may do: by the groups they are in, and by who they are."""

from collections.abc import Iterable
from http import HTTPStatus

import msgspec
from taskscope_shared import settings_access as configured

from taskscope_api.access.refused import RefusedError
from taskscope_api.principals import RANKS, Principal, Role


class Rights(msgspec.Struct, frozen=True):
    """A role, at these sources (None: at all)."""

    role: Role
    sources: frozenset[str] | None

    @classmethod
    def of(cls, given: configured.Grant | configured.DefaultGrant) -> "Rights":
        """As configured."""
        return cls(Role(given.role), None if given.sources is None else frozenset(given.sources))


class Grants:
    """The grants of an installation.

    Of several that fit, the highest role counts, at the sources of all grants of that role. A lower grant adds nothing: a role
    must not reach sources for which it was not given.
    """

    def __init__(self, access: configured.Access) -> None:
        self._of_users: dict[str, list[Rights]] = {}
        self._of_groups: dict[str, list[Rights]] = {}
        for grant in access.grants:
            if grant.user is not None:
                self._of_users.setdefault(grant.user, []).append(Rights.of(grant))
            if grant.group is not None:
                self._of_groups.setdefault(grant.group, []).append(Rights.of(grant))
        self._default = None if access.default is None else Rights.of(access.default)

    def rights(self, user: str, groups: Iterable[str]) -> Rights | None:
        """Of this user, who is in these groups; None without any."""
        fitting = [*self._of_users.get(user, ()), *(each for group in set(groups) for each in self._of_groups.get(group, ()))]
        return highest(fitting) if fitting else self._default

    def relevant(self, groups: Iterable[str]) -> tuple[str, ...]:
        """Those groups that some grant names: all that a session has to remember."""
        return tuple(sorted(set(groups) & self._of_groups.keys()))

    def principal(
        self, user: str, groups: Iterable[str], *, credential: str, name: str | None = None, expires_at: float | None = None
    ) -> Principal:
        """`user` with their rights, called `name`. Raises `RefusedError` (403) for one without any."""
        rights = self.rights(user, groups)
        if rights is None:
            detail = f"{name or user} is known, but was given no right to see anything here"
            raise RefusedError("no-grant", detail, credential=credential, status=HTTPStatus.FORBIDDEN, counts=False)
        return Principal(name or user, rights.role, rights.sources, expires_at, credential)


def highest(fitting: list[Rights]) -> Rights:
    """The highest role of some, at the sources of all of that role."""
    role = max((each.role for each in fitting), key=RANKS.__getitem__)
    sources: set[str] = set()
    for each in fitting:
        if each.role is role:
            if each.sources is None:
                return Rights(role, None)
            sources |= each.sources
    return Rights(role, frozenset(sources))
