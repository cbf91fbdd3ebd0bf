"""Remote control over a Redis broker: PUBLISH the question, take the answers from a list of our own.

The reply list has to be in the set of the reply exchange's bindings while anybody may answer, or the answering worker logs an
error. So the binding stays while this process lives and goes when it ends; what a killed process left is recognised by its
channel `<oid>` having no subscriber and is removed by the next one.
"""

import base64
import logging
import secrets
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from taskscope_shared.clock import Clock

from taskscope_collector.sources.celery.decode import Malformed
from taskscope_collector.sources.celery.mailbox import ANSWER_SECONDS, Answers, Question, Waiting, request_body
from taskscope_collector.sources.celery.names import BrokerNames
from taskscope_collector.sources.resp import RespConnection, RespError

logger = logging.getLogger(__name__)

OID_PREFIX = "taskscope-"
BINDINGS_READ = 1_000
"""A reply exchange with more bindings than that is not searched for what a killed process left."""
POP_SECONDS = 20
LEFT_SECONDS = 60
"""What is in the reply list when this process is killed lives for so long."""


class _Headers(msgspec.Struct, gc=False):
    ticket: str | None = None


class _Reply(msgspec.Struct, gc=False):
    body: bytes
    headers: _Headers = msgspec.field(default_factory=_Headers)


_decode_reply = msgspec.json.Decoder(_Reply).decode


def new_oid() -> str:
    """A name for a reply queue that nobody else has."""
    return f"{OID_PREFIX}{secrets.token_hex(12)}"


def alive_channel(prefix: str, oid: str) -> str:
    """The channel that the owner of `oid` is subscribed to while it lives."""
    return f"{prefix}{oid}"


class RedisMailbox:
    """Asks over `commands` and takes the answers on a connection of its own (`replies`), since it waits for them."""

    def __init__(self, commands: RespConnection, names: BrokerNames, oid: str, clock: Clock, malformed: Malformed) -> None:
        self._commands = commands
        self._names = names
        self._oid = oid
        self._clock = clock
        self._malformed = malformed
        self._waiting: list[Waiting] = []
        self._key = names.prefix + names.reply_queue(oid)
        self._binding = names.binding(names.reply_exchange)

    async def ask(
        self, questions: Sequence[Question], *, expected: Sequence[str] = (), seconds: float = ANSWER_SECONDS
    ) -> Answers:
        """See `Mailbox.ask`; the broker tells how many got the question, so `expected` is not needed."""
        del expected
        waiting = Waiting(questions, self._clock.now())
        self._waiting.append(waiting)
        try:
            await self._publish(waiting)
            return await waiting.wait(seconds)
        finally:
            self._waiting.remove(waiting)

    async def _publish(self, waiting: Waiting) -> None:
        # SADD each time: somebody may have emptied the broker meanwhile.
        commands: list[tuple[str | bytes | int, ...]] = [("SADD", self._binding, self._member(self._oid))]
        commands += [
            ("PUBLISH", self._names.pidbox_channel, self._message(question, ticket))
            for ticket, question in waiting.tickets.items()
        ]
        commands.append(("EXPIRE", self._key, LEFT_SECONDS))
        replies = await self._commands.pipeline(commands)
        for ticket, count in zip(waiting.tickets, replies[1:-1], strict=True):
            if isinstance(count, RespError):
                raise count
            if waiting.tickets[ticket].destination is None:
                waiting.answers.subscribed = max(waiting.answers.subscribed or 0, count)
            waiting.expect(ticket, count)

    def _message(self, question: Question, ticket: str) -> bytes:
        body = request_body(question, ticket, self._oid, self._names.reply_exchange)
        return msgspec.json.encode(
            {
                "body": base64.b64encode(body).decode(),
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": {"clock": 0, "expires": 0},
                "properties": {
                    "delivery_mode": 2,
                    "delivery_info": {"exchange": self._names.pidbox_exchange, "routing_key": ""},
                    "priority": 0,
                    "body_encoding": "base64",
                    "delivery_tag": ticket,
                },
            }
        )

    def _member(self, oid: str) -> str:
        return self._names.binding_member(oid, self._names.reply_queue(oid))

    async def take_replies(self, replies: RespConnection) -> None:
        """Take answers for ever; raises what ended the connection."""
        while True:
            popped = await replies.execute("BRPOP", self._key, POP_SECONDS, timeout_seconds=POP_SECONDS + 5.0)
            if popped is not None:
                self._take(popped[1])

    def _take(self, payload: bytes) -> None:
        try:
            reply = _decode_reply(payload)
            # Without a round, or of an earlier one: a worker that was busy answers late.
            if (ticket := reply.headers.ticket) is not None:
                any(waiting.take(ticket, reply.body) for waiting in self._waiting)
        except msgspec.MsgspecError as error:
            self._malformed.count("inspect reply", error)

    async def tidy(self) -> None:
        """Remove what killed processes left of their reply queues."""
        if await self._commands.execute("SCARD", self._binding) > BINDINGS_READ:
            return
        members = await self._commands.execute("SMEMBERS", self._binding)
        separator = self._names.separator
        oids = [m.decode(errors="replace").partition(separator)[0] for m in members if m.startswith(OID_PREFIX.encode())]
        for oid in oids:
            await self._remove_if_dead(oid)

    async def _remove_if_dead(self, oid: str) -> None:
        if oid == self._oid:
            return
        channel = alive_channel(self._names.prefix, oid)
        try:
            _, listeners = await self._commands.execute("PUBSUB", "NUMSUB", channel)
        except RespError:
            return  # not allowed to ask: then nothing is removed
        if not listeners:
            logger.info("removing the reply queue of a process that is gone: %s", oid)
            await self._remove(oid)

    async def _remove(self, oid: str) -> None:
        key = self._names.prefix + self._names.reply_queue(oid)
        await self._commands.pipeline([("SREM", self._binding, self._member(oid)), ("DEL", key)])

    async def leave(self) -> None:
        """Remove our own binding and list."""
        with suppress(OSError, RespError):
            await self._remove(self._oid)
