"""Answers: structs encoded once by msgspec, not converted to builtins first."""

import msgspec
from quart import Response

_encoder = msgspec.json.Encoder()


def answer(value: msgspec.Struct, status: int = 200) -> Response:
    """The struct as JSON. Nothing here may be cached: it is the state of a moment."""
    return Response(
        _encoder.encode(value), status=status, content_type="application/json", headers={"Cache-Control": "no-store"}
    )
