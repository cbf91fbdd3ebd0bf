"""Free text: which tasks hold a word in their id, arguments or exception, whatever the case.

Each text has a signature, a bit for each of its trigrams: a word whose bits are not all set cannot be in it. What is left is
looked at, in slices; the verdict is kept until the text changes, so that a further page, or a window's next look, judges only
what is new. Signatures are made when somebody searches for the first time, which takes 1 s for 100,000 texts.

Worst case: a word that all of 100,000 texts have, or one of less than three bytes, takes some 0.4 s the first time, in slices
of a few milliseconds.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from taskscope_api.columns import Rows, grown

SIGNATURE_BITS = 2048
_SHIFT = np.uint32(32 - SIGNATURE_BITS.bit_length() + 1)
SLICE = 300
"""Texts signed or looked at between two yields: 1 to 4 ms."""
SIGN_AT = 300
"""Texts that changed are signed once so many wait."""
MAX_WORDS = 64
"""Words whose verdicts are kept: a byte a task each."""
UNKNOWN, ABSENT, PRESENT = 0, 1, 2


class Texts:
    """The texts of one replica's rows. `text_of` gives a row's text in lower case; parts are divided by white space."""

    def __init__(self, text_of: Callable[[int], bytes]) -> None:
        self._text_of = text_of
        self._signed = np.zeros(0, np.bool_)
        self._signatures = np.zeros((SIGNATURE_BITS // 8, 0), np.uint8)  # a byte of all signatures lies together
        self._verdicts: dict[bytes, NDArray[np.int8]] = {}
        self._waiting: dict[int, bytes] = {}

    def changed(self, row: int, text: Callable[[], bytes]) -> None:
        """The row has another text, which is asked for at once. Costs nothing before the first search."""
        if row >= len(self._signed):
            return
        self._signed[row] = False
        for verdicts in self._verdicts.values():
            if row < len(verdicts):
                verdicts[row] = UNKNOWN
        self._waiting[row] = text()
        if len(self._waiting) >= SIGN_AT:
            self._sign(list(self._waiting), list(self._waiting.values()))

    def words(self) -> list[bytes]:
        """The words that were searched for lately."""
        return list(self._verdicts)

    def judge(self, word: bytes, within: Rows, capacity: int) -> Iterator[None]:
        """Decide about the word for these rows, yielding now and then (rows may change meanwhile)."""
        verdicts = self._of(word, capacity)
        yield from self._sign_all(within)
        unknown = within[verdicts[within] == UNKNOWN]
        candidates = self._candidates(word, unknown)
        verdicts[unknown] = ABSENT
        verdicts[candidates] = UNKNOWN
        for first in range(0, len(candidates), SLICE):
            for row in candidates[first : first + SLICE].tolist():
                verdicts[row] = PRESENT if word in self._text_of(row) else ABSENT
            yield

    def having(self, word: bytes, within: Rows, capacity: int) -> Rows:
        """Those of the rows that hold the word. Decides at once about what `judge` left."""
        for _ in self.judge(word, within, capacity):
            pass
        present: Rows = within[self._verdicts[word][within] == PRESENT]
        return present

    def _of(self, word: bytes, capacity: int) -> NDArray[np.int8]:
        if len(self._signed) < capacity:
            signatures = np.zeros((SIGNATURE_BITS // 8, capacity), np.uint8)
            signatures[:, : len(self._signed)] = self._signatures
            self._signed, self._signatures = grown(self._signed, capacity), signatures
            self._verdicts = {known: grown(verdicts, capacity) for known, verdicts in self._verdicts.items()}
        verdicts = self._verdicts.pop(word, None)
        if verdicts is None:
            verdicts = np.zeros(capacity, np.int8)
            while len(self._verdicts) >= MAX_WORDS:
                del self._verdicts[next(iter(self._verdicts))]
        self._verdicts[word] = verdicts
        return verdicts

    def _sign_all(self, within: Rows) -> Iterator[None]:
        rows = within[~self._signed[within]]
        for first in range(0, len(rows), SLICE):
            slice_ = [row for row in rows[first : first + SLICE].tolist() if not self._signed[row]]
            if slice_:
                self._sign(slice_, list(map(self._text_of, slice_)))
            yield

    def _sign(self, rows: list[int], texts: list[bytes]) -> None:
        for row in rows:
            self._waiting.pop(row, None)
        joined = np.frombuffer(b"".join(texts), np.uint8)
        owners = np.repeat(np.arange(len(rows)), [len(text) for text in texts])
        bits = np.zeros((len(rows), SIGNATURE_BITS), np.bool_)
        bits[owners[:-2], _trigrams(joined)] = True
        self._signatures[:, rows] = np.packbits(bits, axis=1, bitorder="little").T
        self._signed[rows] = True

    def _candidates(self, word: bytes, rows: Rows) -> Rows:
        """Those that the signatures do not exclude, and those whose text changed since it was signed."""
        signed = self._signed[rows]
        unsigned, rows = rows[~signed], rows[signed]
        for bit in np.unique(_trigrams(np.frombuffer(word, np.uint8))).tolist():
            rows = rows[self._signatures[bit >> 3][rows] & (1 << (bit & 7)) != 0]
        return np.concatenate((rows, unsigned))


def _trigrams(text: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The bit of each trigram, by Fibonacci hashing."""
    wide = text.astype(np.uint32)
    mixed = (wide[:-2] << np.uint32(16)) ^ (wide[1:-1] << np.uint32(8)) ^ wide[2:]
    return (mixed * np.uint32(2654435769)) >> _SHIFT
