"""Answers: structs encoded once by msgspec, not converted to builtins first."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from quart import Response

from taskscope_api import conditional

KEPT = "private, no-cache"
"""A client may keep it, but asks each time whether it changed (`If-None-Match`); a shared cache may not: scopes differ."""
NOT_KEPT = "no-store"

_encoder = msgspec.json.Encoder()


def answer(value: msgspec.Struct, status: int = 200, *, keep: bool = True, moments: Sequence[str] = ()) -> Response:
    """The struct as JSON, with a tag by which it is not sent again while it stays the same.

    `keep=False` is for what is the state of a moment alone, like a probe's answer. `moments` are members that move with the
    clock (texts): they alone are no change. `at`, where it comes first, is none anyway.
    """
    headers = {"Cache-Control": KEPT if keep and status == 200 else NOT_KEPT}
    if moments:
        headers["ETag"] = conditional.tag(_encoder.encode(replace(value, **dict.fromkeys(moments, ""))))
    return Response(_encoder.encode(value), status=status, content_type="application/json", headers=headers)
