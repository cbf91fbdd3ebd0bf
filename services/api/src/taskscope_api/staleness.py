"""How an answer says that it may be behind: by a header, since not every body has a place for it."""

from urllib.parse import quote

from taskscope_api.live_view import LiveView
from taskscope_api.principals import Principal

HEADER = "X-Taskscope-Stale"
MAX_NAMES = 20


def told(live: LiveView, asking: Principal) -> str | None:
    """The header's value: `redis` while the store is away, else `sources=` and those that may be behind; None: it is live."""
    if live.store_lost:
        return "redis"
    if not live.stale:
        return None
    names = [quote(name) for name in sorted(live.stale) if asking.may_see(name)]
    return f"sources={','.join(names[:MAX_NAMES])}" if names else None
