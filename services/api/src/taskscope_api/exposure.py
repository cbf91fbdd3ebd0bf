"""Who may reach the api without saying who they are."""

import ipaddress

from taskscope_shared.settings import Settings


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def exposure(settings: Settings) -> str | None:
    """What to do before the api may be reached from elsewhere; None where that was said, or nobody else reaches it."""
    if settings.access.mode is not None or is_loopback(settings.api.host):
        return None
    return (
        f"Taskscope would show every task to whoever reaches {settings.api.host}. Say that this is meant with\n"
        "access.mode: none (TASKSCOPE_ACCESS__MODE=none), or listen on 127.0.0.1 and put a proxy that knows its\n"
        "users in front of it."
    )
