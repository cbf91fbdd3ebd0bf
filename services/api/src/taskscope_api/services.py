"""What the routes work with, made once for an app and handed to each blueprint."""

import msgspec
from taskscope_shared.clock import Clock

from taskscope_api.access.identity import Identity
from taskscope_api.asking import Asking
from taskscope_api.clients import Tallies
from taskscope_api.exports import Exports
from taskscope_api.fleet import Fleet
from taskscope_api.hub import Hub
from taskscope_api.kept import KeptAnswers
from taskscope_api.live_view import LiveView
from taskscope_api.principals import Access
from taskscope_api.sockets import Sockets
from taskscope_api.streams import Streams


class Services(msgspec.Struct, frozen=True):
    """The app's collaborators."""

    live: LiveView
    fleet: Fleet
    hub: Hub
    sockets: Sockets
    clock: Clock
    identity: Identity
    asking: Asking
    kept: KeptAnswers
    exports: Exports = msgspec.field(default_factory=Exports)
    streams: Streams = msgspec.field(default_factory=Streams)
    tallies: Tallies = msgspec.field(default_factory=Tallies)
    trace_url: str | None = None

    @property
    def access(self) -> Access:
        """What tells who asks."""
        return self.identity.access
