"""How kombu names things on a Redis broker (kombu.transport.redis, kombu.pidbox)."""

from dataclasses import dataclass

from taskscope_shared.settings import CelerySource

_SPECIAL = frozenset("\\*?[]^-")


def glob_escaped(text: str) -> str:
    """`text` as a Redis glob that matches it alone."""
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in text)


def result_prefix(keyprefix: str) -> str:
    """What stands before a task's id in the result backend; the backend adds `_` to a prefix that ends in none of `:_-.`."""
    if keyprefix and keyprefix[-1] not in ":_-.":
        keyprefix += "_"
    return f"{keyprefix}celery-task-meta-"


@dataclass(frozen=True)
class BrokerNames:
    """Keys and channels of one application on one database of a Redis broker."""

    prefix: str
    fanout: str
    patterns: bool
    event_exchange: str
    control_exchange: str
    steps: tuple[int, ...]
    separator: str
    """Between a queue and its priority step, and between routing key, pattern and queue in a `_kombu.binding.*` member."""

    @classmethod
    def of(cls, settings: CelerySource, db: int) -> "BrokerNames":
        """The names as the application's transport options make them."""
        fanout = settings.fanout_prefix
        text = "/{db}." if fanout is True else fanout or ""
        return cls(
            prefix=settings.global_keyprefix,
            fanout=settings.global_keyprefix + text.replace("{db}", str(db)),
            patterns=settings.fanout_patterns,
            event_exchange=settings.event_exchange,
            control_exchange=settings.control_exchange,
            steps=settings.priority_steps,
            separator=settings.priority_separator,
        )

    @property
    def event_pattern(self) -> str:
        """What to PSUBSCRIBE for all events."""
        channel = glob_escaped(self.fanout + self.event_exchange)
        return f"{channel}/*" if self.patterns else channel

    @property
    def pidbox_exchange(self) -> str:
        """The exchange of remote control."""
        return f"{self.control_exchange}.pidbox"

    @property
    def pidbox_channel(self) -> str:
        """Where to PUBLISH a remote control command."""
        return self.fanout + self.pidbox_exchange

    @property
    def reply_exchange(self) -> str:
        """The exchange of the answers."""
        return f"reply.{self.control_exchange}.pidbox"

    def binding(self, exchange: str) -> str:
        """The set that holds an exchange's bindings."""
        return f"{self.prefix}_kombu.binding.{exchange}"

    def binding_member(self, routing_key: str, queue: str) -> str:
        """What that set holds of one queue."""
        return self.separator.join((routing_key, "", queue))

    def reply_queue(self, oid: str) -> str:
        """Name of the reply queue, without the key prefix."""
        return f"{oid}.{self.reply_exchange}"

    def queue_keys(self, queue: str) -> list[str]:
        """The lists of a queue, one a priority step, the most urgent (0) first."""
        return [self.prefix + (f"{queue}{self.separator}{step}" if step else queue) for step in self.steps]

    @property
    def unacked(self) -> str:
        """Hash: delivery tag -> [message, exchange, routing key] of what was taken and not acknowledged."""
        return f"{self.prefix}unacked"

    @property
    def unacked_index(self) -> str:
        """Sorted set: delivery tag, scored by when it was delivered."""
        return f"{self.prefix}unacked_index"
