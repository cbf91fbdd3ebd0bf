"""uvicorn's HTTP on one connection, but for what it answers to bytes that are no request: a problem, like every other error."""

import sys
from http import HTTPStatus

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from taskscope_api.asked import ID_HEADER, request_id
from taskscope_api.errors import MEDIA_TYPE, encode, problem
from taskscope_api.limits import MAX_HEADER_BYTES, MAX_URL

MAX_HEAD = MAX_HEADER_BYTES + MAX_URL + 16 * 1024
"""Bytes of a request's first line and headers that are waited for; what fits but is too much gets an answer of `limits`."""


class HttpProtocol(H11Protocol):
    """One connection."""

    def send_400_response(self, msg: str) -> None:
        """Answer and close: 431 for a head that does not end, else 400. Called while what h11 refused is handled."""
        if not self._is_answering():
            error = sys.exc_info()[1]
            self.transport.write(_answer(str(error) or msg, getattr(error, "error_status_hint", HTTPStatus.BAD_REQUEST)))
        self.transport.close()

    def _is_answering(self) -> bool:
        """Whether an answer is under way, which another must not break into."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and cycle.response_started and not cycle.response_complete


def _answer(why: str, hint: int) -> bytes:
    too_large = hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if too_large else HTTPStatus.BAD_REQUEST
    kind = "headers-too-large" if too_large else "invalid-request"
    made = request_id(())
    body = encode(problem(status, kind, f"this is no HTTP request: {why[:200]}"), made)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        f"{ID_HEADER.lower()}: {made}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
