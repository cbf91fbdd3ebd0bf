"""What Engine.IO answers to requests that are wrong, in its own words: its clients know these, and reconnect."""

from http import HTTPStatus

import msgspec


class EngineProblem(msgspec.Struct):
    """`code` and `message` as Engine.IO's own server has them."""

    code: int
    message: str


class EngineError(Exception):
    """A request that is no Engine.IO, or of a session that is not known here."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.body = msgspec.json.encode(EngineProblem(code, message))


def unknown_transport() -> EngineError:
    """Neither polling nor websocket."""
    return EngineError(0, "Transport unknown")


def unknown_session() -> EngineError:
    """Upon this a client begins a new session."""
    return EngineError(1, "Unknown session")


def bad_handshake() -> EngineError:
    """A session begins with a GET."""
    return EngineError(2, "Bad handshake method")


def bad_request() -> EngineError:
    """Anything else."""
    return EngineError(3, "Bad request")


def unsupported_version() -> EngineError:
    """Socket.IO 3 and 4 speak version 4."""
    return EngineError(5, "Unsupported protocol version: connect with socket.io-client 3 or 4 (EIO=4)")
