"""Identity as it is configured: what knows who asks, and what the routes for signing in need."""

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.settings import Settings

from taskscope_api.access.grants import Grants
from taskscope_api.access.sessions import Sessions
from taskscope_api.addresses import Addresses
from taskscope_api.origins import Origins
from taskscope_api.principals import Access, OpenAccess

Background = Callable[[], Coroutine[Any, Any, None]]


class Identity(msgspec.Struct, frozen=True):
    """Of one app. Without `sessions` nobody can sign in; `background` runs while the app serves."""

    access: Access
    addresses: Addresses
    origins: Origins
    grants: Grants
    sessions: Sessions | None = None
    background: tuple[Background, ...] = ()


def open_identity(settings: Settings, access: Access | None = None) -> Identity:
    """Nobody is asked, or `access` alone tells."""
    addresses = Addresses(settings.api.trusted_proxies)
    origins = Origins(addresses, settings.api.allowed_origins, loopback=True)
    return Identity(access or OpenAccess(), addresses, origins, Grants(settings.access))


def identity_of(settings: Settings, clock: Clock) -> Identity:  # noqa: ARG001 - sessions and expiries will need the clock
    """What the settings say."""
    return open_identity(settings)
