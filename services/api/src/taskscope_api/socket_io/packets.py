"""What goes over the wire as the library takes it: text that is JSON already, made once and given to many."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Iterable

import msgspec
from engineio.packet import MESSAGE, Packet

MAX_PACKETS = 64
"""Packets that wait for one client. Ours come one by one as it takes them; the rest are answers to what it sent itself."""
MAX_SHARED = 16
"""Frames whose packet is remembered: some windows' newest ones."""
TASK_UPDATES = "task_updates"

_FRAME = re.compile(r'\{"event":("(?:[^"\\]|\\.)*"),"data":')
_encoder = msgspec.json.Encoder()


class Packets(asyncio.Queue[Packet | None]):
    """Packets that wait for one client. The library's own queue has no end; this one is `overfull` instead, and drops."""

    def __init__(self) -> None:
        super().__init__()
        self.overfull = False

    def put_nowait(self, item: Packet | None) -> None:
        """Queue it, or be overfull from now on. None ends the connection's writer and always fits."""
        if item is not None and self.qsize() >= MAX_PACKETS:
            self.overfull = True
            return
        super().put_nowait(item)

    def holds(self, packet: Packet | None) -> bool:
        """Whether the packet still waits."""
        waiting: Iterable[Packet | None] = self._queue  # type: ignore[attr-defined]  # asyncio's own subclasses use it
        return packet is not None and any(each is packet for each in waiting)


def event_packet(event: str, body: str) -> Packet:
    """The event with its data, which is JSON already. It is encoded when it is sent first, and then remembers that."""
    return Packet(MESSAGE, f'2["{event}",{body}]')


def packet_of(event: str, data: object) -> Packet:
    """The event with its data."""
    return event_packet(event, _encoder.encode(data).decode())


class SharedPackets:
    """One packet for each frame of the hub, however many clients get it."""

    def __init__(self) -> None:
        self._packets: OrderedDict[str, Packet] = OrderedDict()

    def of(self, frame: str) -> Packet:
        """The frame `{"event": E, "data": D}` as the Socket.IO event E."""
        found = self._packets.get(frame)  # the same object each time: its hash is known, and it is equal at once
        if found is None:
            head = _FRAME.match(frame)
            if head is None:
                raise ValueError("this is no frame")
            found = Packet(MESSAGE, f"2[{head[1]},{frame[head.end() : -1]}]")
            self._packets[frame] = found
            if len(self._packets) > MAX_SHARED:
                self._packets.popitem(last=False)
        return found
