"""Conditional requests: a body that did not change is not sent again."""

from hashlib import blake2b
from http import HTTPStatus

from quart import Response

MOMENT = b'{"at":"'
MOMENT_BYTES = len('{"at":"2023-11-14T22:13:20.250Z",')
"""`at`, where a body begins with it, says when it was made, not what is shown: it does not count."""
TAG_BYTES = 12
MAX_TAGS = 20
"""Of `If-None-Match` that are looked at; browsers send one."""


def tag(body: bytes) -> str:
    """The body's entity tag: weak, since it stands for what is shown, however it is compressed and whenever it was made."""
    shown = memoryview(body)[MOMENT_BYTES if body.startswith(MOMENT) else 0 :]
    return f'W/"{blake2b(shown, digest_size=TAG_BYTES).hexdigest()}"'


def holds(if_none_match: str | None, current: str) -> bool:
    """Whether the client has that already: the weak comparison of RFC 9110, 13.1.2."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    known = current.removeprefix("W/")
    return any(one.strip().removeprefix("W/") == known for one in if_none_match.split(",", MAX_TAGS)[:MAX_TAGS])


def not_modified(response: Response) -> Response:
    """The answer without its body; what caches go by stays."""
    response.set_data(b"")
    response.status_code = HTTPStatus.NOT_MODIFIED
    del response.headers["Content-Type"], response.headers["Content-Length"]
    return response
