"""One stream's side of the push protocol, without a connection: both kinds of streams use it."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import msgspec

from taskscope_client.errors import Problem, TaskscopeError
from taskscope_client.filters import Many, Value, joined
from taskscope_client.replica import Replica
from taskscope_client.updates import Message, Update

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 20.0
"""A window says something each 5 s: a connection that is silent for so long is dead."""
MAX_MESSAGE = 64 * 1024 * 1024
"""Bytes of one message."""
TOKEN_PROBLEMS = frozenset({"invalid-token", "foreign-token"})
"""A snapshot follows these."""
PASSING = frozenset({"too-many-windows", "too-many-messages", "internal-error", "store-unavailable"})
"""A join that was refused so may be taken later."""
REFUSALS = 3
"""So often a connection that stood before may be refused before that is an error: tokens are renewed."""

_messages = msgspec.json.Decoder(Message)
_updates = msgspec.json.Decoder(Update)
_problems = msgspec.json.Decoder(Problem)


class Told(NamedTuple):
    """What a message brought: an update, and what to say now."""

    update: Update | None = None
    reply: str | None = None


class PassingError(Exception):
    """The connection is of no use now, but another one later may be."""


class Session:
    """The subscription of a stream, and what it holds."""

    def __init__(self, filters: Mapping[str, Value], sort: str | None, limit: int, fields: Many | None) -> None:
        self.replica = Replica()
        self.resyncs = 0
        self._filter = joined(filters)
        self._sort = sort
        self._limit = limit
        self._fields = [fields] if isinstance(fields, str) else None if fields is None else list(fields)
        self._answered = False
        self._refusals = 0

    def join(self) -> str:
        """What a new connection begins with: the subscription, and where to go on."""
        self._answered = False
        data = {
            "filter": self._filter,
            "sort": self._sort,
            "limit": self._limit,
            "fields": self._fields,
            "since": self.replica.position,
        }
        return msgspec.json.encode({"event": "join_task_monitoring", "data": data}).decode()

    def take(self, text: str | bytes) -> Told:
        """Take a message. Raises `TaskscopeError` for a subscription that is wrong, `PassingError` for one to try later."""
        try:
            message = _messages.decode(text)
            return self._take(message)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PassingError(f"a message is not understood: {error}") from error

    def _take(self, message: Message) -> Told:
        match message.event:
            case "task_updates":
                update = _updates.decode(message.data)
                self.replica.apply(update)
                self._answered, self._refusals = True, 0
                return Told(update)
            case "resync":
                self.resyncs += 1
                logger.info("this stream was too slow, and joins again")
                return Told(reply=self.join())
            case "error":
                self._complained(_problems.decode(message.data))
        return Told()

    def _complained(self, problem: Problem) -> None:
        error = TaskscopeError(msgspec.structs.replace(problem, status=HTTPStatus.BAD_REQUEST))
        if error.kind in TOKEN_PROBLEMS:
            logger.info("the position is not known there: %s", error)
        elif error.kind in PASSING:
            raise PassingError(str(error))
        elif not self._answered:
            raise error

    def refused(self, error: TaskscopeError) -> None:
        """A connection was refused. Raises it if trying again is of no use."""
        if error.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT) or error.status >= 500:
            return
        self._refusals += 1
        if self.replica.position is None or self._refusals > REFUSALS:
            raise error
