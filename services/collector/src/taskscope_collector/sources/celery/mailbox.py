"""Celery's remote control (kombu.pidbox), as questions and answers; how they travel is the transports' matter."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

ANSWER_SECONDS = 1.0
"""How long answers are waited for; a solo worker that is busy gives none."""


@dataclass(frozen=True)
class Question:
    """One remote control command; `destination` None asks every worker."""

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    destination: tuple[str, ...] | None = None


@dataclass
class Answers:
    """Who said what, by method and worker; undecoded. `subscribed`: workers that got the broadcast, if the broker tells."""

    asked_at: float
    replies: dict[str, dict[str, msgspec.Raw]]
    sizes: dict[str, int]
    subscribed: int | None = None

    def workers(self) -> set[str]:
        """Everybody who answered anything."""
        return {worker for replies in self.replies.values() for worker in replies}


class Mailbox(Protocol):
    """Asks workers. Several may ask at once."""

    async def ask(
        self, questions: Sequence[Question], *, expected: Sequence[str] = (), seconds: float = ANSWER_SECONDS
    ) -> Answers:
        """Ask, and return when all who got the question answered, or after `seconds`.

        `expected`: who is thought to be there, for brokers that do not tell. Raises OSError, RespError or AMQPError.
        """
        ...


def request_body(question: Question, ticket: str, oid: str, reply_exchange: str) -> bytes:
    """The JSON of a command (kombu.pidbox.Mailbox._publish)."""
    destination = list(question.destination) if question.destination is not None else None
    return msgspec.json.encode(
        {
            "method": question.method,
            "arguments": dict(question.arguments),
            "destination": destination,
            "pattern": None,
            "matcher": None,
            "ticket": ticket,
            "reply_to": {"exchange": reply_exchange, "routing_key": oid},
        }
    )


class Waiting:
    """The answers that one round waits for, by ticket."""

    def __init__(self, questions: Sequence[Question], asked_at: float) -> None:
        self.answers = Answers(asked_at, {q.method: {} for q in questions}, {q.method: 0 for q in questions})
        self.tickets = {str(uuid.uuid4()): question for question in questions}
        self.left: dict[str, int] = {}
        self.complete = asyncio.Event()
        self._decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

    def expect(self, ticket: str, workers: int) -> None:
        """So many will answer the question of that ticket."""
        question = self.tickets[ticket]
        count = workers if question.destination is None else min(workers, len(question.destination))
        self.left[ticket] = self.left.get(ticket, 0) + count
        self._check()

    def take(self, ticket: str, body: bytes) -> bool:
        """An answer came; False if nobody here waits for it. Raises msgspec.MsgspecError when it cannot be read."""
        question = self.tickets.get(ticket)
        if question is None:
            return False
        reply = self._decode(body)
        self.answers.replies[question.method].update(reply)
        self.answers.sizes[question.method] += len(body)
        # It may come before the count of those who will answer.
        self.left[ticket] = self.left.get(ticket, 0) - 1
        self._check()
        return True

    def _check(self) -> None:
        if len(self.left) == len(self.tickets) and all(left <= 0 for left in self.left.values()):
            self.complete.set()
        else:
            self.complete.clear()

    async def wait(self, seconds: float) -> Answers:
        """The answers so far, when all came or the time is over."""
        try:
            async with asyncio.timeout(seconds):
                await self.complete.wait()
        except TimeoutError:
            pass
        return self.answers
