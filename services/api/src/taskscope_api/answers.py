"""Answers: structs encoded once by msgspec, not converted to builtins first."""

import msgspec
from quart import Response

KEPT = "private, no-cache"
"""A client may keep it, but asks each time whether it changed (`If-None-Match`); a shared cache may not: scopes differ."""
NOT_KEPT = "no-store"

_encoder = msgspec.json.Encoder()


def answer(value: msgspec.Struct, status: int = 200, *, keep: bool = True) -> Response:
    """The struct as JSON, with a tag by which it is not sent again while it stays the same.

    `keep=False` is for what is the state of a moment alone, like a probe's answer.
    """
    cache = KEPT if keep and status == 200 else NOT_KEPT
    return Response(_encoder.encode(value), status=status, content_type="application/json", headers={"Cache-Control": cache})
