"""How long a log may grow: in bytes and in time, over what this holding of the lease wrote and what it found."""

from collections import deque

from taskscope_shared.model import Position

OVERHEAD_BYTES = 48
"""Of a stream entry beside its payload: id, field, list pack. Measured at payloads of 1 KB: 40 to 60."""


class LogTail:
    """What is in the log: entries of this `epoch` one by one, those of older epochs as a sum of bytes found at `at`."""

    def __init__(self, epoch: int, found_bytes: int, at: float, limit_bytes: int, limit_seconds: float) -> None:
        self.epoch = epoch
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds
        self._found_bytes = found_bytes
        self._found_at = at
        self._entries: deque[tuple[int, float, int]] = deque()
        self.bytes = found_bytes

    def add(self, seq: int, at: float, size: int) -> Position | None:
        """Count an entry of `size` bytes; the position of the oldest entry to keep, or None when nothing has to go."""
        self._entries.append((seq, at, size + OVERHEAD_BYTES))
        self.bytes += size + OVERHEAD_BYTES
        trimmed = self._forget_found(at)
        while len(self._entries) > 1 and self._over(self._entries[0][1], at):
            self.bytes -= self._entries.popleft()[2]
            trimmed = True
        return Position(self.epoch, self._entries[0][0]) if trimmed else None

    def _forget_found(self, at: float) -> bool:
        if not self._found_at or not self._over(self._found_at, at):
            return False
        self.bytes -= self._found_bytes
        self._found_bytes = 0
        self._found_at = 0.0
        return True

    def _over(self, since: float, at: float) -> bool:
        return self.bytes > self._limit_bytes or since < at - self._limit_seconds
