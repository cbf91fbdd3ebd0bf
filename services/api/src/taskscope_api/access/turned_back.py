"""Where a browser ends whose attempt to sign in came to nothing: at the page, which says what happened in its own words.

The address has one of a few codes and nothing that came from outside: the page knows them (`session/refusals.ts`).
"""

from urllib.parse import urlsplit

PARAMETER = "sign-in"
FAILED = "failed"
CODES = {
    "sign-in-refused": "refused",
    "sign-in-expired": "expired",
    "provider-unavailable": "unavailable",
    "no-grant": "no-grant",
}
"""Kind of a problem -> what the page is told; anything else is `FAILED`."""


def page_of(path: str, kind: str, wanted: str | None) -> str:
    """The page below `path`, at the view that was `wanted`: of a local address that was checked its fragment alone is taken."""
    parts = urlsplit(wanted or "")
    view = f"#{parts.fragment}" if parts.fragment and parts.path == f"{path}/" else ""
    return f"{path}/?{PARAMETER}={CODES.get(kind, FAILED)}{view}"
