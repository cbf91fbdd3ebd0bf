"""What a Celery source is made of, whatever its broker is: made once, and kept over reconnects."""

from taskscope_shared.clock import Clock
from taskscope_shared.settings import CelerySource

from taskscope_collector.observations import Counts, Sink
from taskscope_collector.redaction import Redactor
from taskscope_collector.sources.celery.board import Board
from taskscope_collector.sources.celery.control import Control
from taskscope_collector.sources.celery.decode import EventDecoder, Malformed
from taskscope_collector.sources.celery.held import Bindings, ReplyDecoder
from taskscope_collector.sources.celery.inspect import Inspector
from taskscope_collector.sources.celery.messages import MessageDecoder
from taskscope_collector.sources.celery.repair import Repair
from taskscope_collector.sources.celery.result_store import ResultStore
from taskscope_collector.sources.celery.results import ResultDecoder
from taskscope_collector.sources.celery.roster import KnownIds, Roster
from taskscope_collector.sources.celery.skew import ClockSkew
from taskscope_collector.sources.celery.switch import EventSwitch


class Parts:
    """The collaborators of one run of a source."""

    def __init__(
        self, settings: CelerySource, redactor: Redactor, clock: Clock, counts: Counts, sink: Sink, roster: Roster
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.counts = counts
        self.roster = roster
        self.known = KnownIds()
        self.skew = ClockSkew()
        self.malformed = Malformed(counts)
        self.board = Board(sink, clock)
        self.events = EventDecoder(counts, self.malformed, self.skew, roster, self.known, clock)
        self.replies = ReplyDecoder(redactor, self.skew, self.malformed, Bindings())
        self.messages = MessageDecoder(redactor)
        self.results = ResultStore(ResultDecoder(redactor, clock, self.skew), self.malformed)
        self.inspector = Inspector(settings.name, self.replies, roster, self.known, clock)
        self.switch = EventSwitch(roster, self.replies, self.board, clock)
        self.repair = Repair(roster, self.inspector, self.replies, self.results, clock)
        self.control = Control(
            settings, roster, self.inspector, self.switch, self.repair, self.events, self.known, self.board, clock
        )
