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
        f"Taskscope would show every task to whoever reaches {settings.api.host}. Say with access.mode how people say who\n"
        "they are: token (tokens in a file), proxy (a proxy that knows its users) or oidc (the company's provider), as\n"
        "docs/security.md describes. Or say that everybody may see everything: access.mode: none\n"
        "(TASKSCOPE_ACCESS__MODE=none). Or listen on 127.0.0.1."
    )
