"""What may happen to a connection of a stream, and what of it is worth another try."""

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from taskscope_client.errors import error_of
from taskscope_client.session import PassingError, Session

PASSING = (OSError, ConnectionClosed, InvalidHandshake, PassingError, EOFError)
"""TimeoutError is an OSError."""


def asked_to_wait(error: Exception, session: Session) -> float | None:
    """Seconds that the api asks to wait. Raises `TaskscopeError` for a refusal that another try would not change."""
    if not isinstance(error, InvalidStatus):
        return None
    response = error.response
    refused = error_of(response.status_code, response.headers, bytes(response.body or b""))
    session.refused(refused)
    return refused.retry_after_seconds


def socket_url(base_url: str) -> str:
    """Where the WebSocket of an api is."""
    return f"ws{base_url.removeprefix('http')}/api/ws"
