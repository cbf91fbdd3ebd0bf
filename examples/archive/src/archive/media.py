"""The work itself: makes recordings, reads them at a disk's pace, compresses, hashes, cuts and deletes them.

A recording is blocks of `BLOCK_BYTES`, half noise and half silence, so that it compresses to about a half. Reading one block
takes `PACE_SECONDS`: a task mostly waits, as with a slow disk, so that the demo leaves the machine its processors.
"""

import hashlib
import lzma
import random
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from archive import config

BLOCK_BYTES = 4 * 1024
PACE_SECONDS = 0.05
OnBlock = Callable[[int, int], None]
"""Called with the number of blocks done, and of all."""


def folder() -> Path:
    """Where the files of all titles are, and nothing else. It is made on demand."""
    directory = config.load().directory / "files"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def path_of(title: str, suffix: str) -> Path:
    """The file of a title."""
    return folder() / f"{title}{suffix}"


def record(title: str, seconds: float, suffix: str = ".rec") -> Path:
    """Write a recording that takes about `seconds` to read."""
    blocks = max(2, round(seconds / PACE_SECONDS))
    noise = random.Random(title)
    path = path_of(title, suffix)
    with path.open("wb") as file:
        for _ in range(blocks):
            file.write(noise.randbytes(BLOCK_BYTES // 2) + bytes(BLOCK_BYTES // 2))
    return path


def blocks_of(path: Path, on_block: OnBlock = lambda _done, _all: None) -> Iterator[bytes]:
    """Read a file block by block, at the disk's pace. Raises `FileNotFoundError`."""
    total = max(1, -(-path.stat().st_size // BLOCK_BYTES))
    with path.open("rb") as file:
        for done in range(1, total + 1):
            yield file.read(BLOCK_BYTES)
            time.sleep(PACE_SECONDS)
            on_block(done, total)


def encode(source: Path, target: Path, on_block: OnBlock) -> dict[str, object]:
    """Compress `source` into `target`; sizes in bytes and the digest of what was written."""
    codec = zlib.compressobj(level=4)
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for block in blocks_of(source, on_block):
            _emit(out.write, digest.update, codec.compress(block))
        _emit(out.write, digest.update, codec.flush())
    return {"bytes_in": source.stat().st_size, "bytes_out": target.stat().st_size, "sha256": digest.hexdigest()}


def _emit(write: Callable[[bytes], object], update: Callable[[bytes], object], data: bytes) -> None:
    write(data)
    update(data)


def checksum(path: Path, on_block: OnBlock) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    for block in blocks_of(path, on_block):
        digest.update(block)
    return digest.hexdigest()


def thumbnails(path: Path, count: int, on_block: OnBlock) -> list[str]:
    """`count` small pictures of a file: the first bytes of blocks at even distances, packed by LZMA; the files' names."""
    blocks = list(blocks_of(path, on_block))
    made = []
    for index in range(count):
        block = blocks[index * len(blocks) // count]
        target = path.with_suffix(f".{index}.thumb")
        target.write_bytes(lzma.compress(block[:2048], preset=0))
        made.append(target.name)
    return made


def transcript(path: Path, language: str, on_block: OnBlock) -> str:
    """Words heard in a file: what the noise's bytes spell in the language's syllables."""
    syllables = {"en": "the and ing ion ent", "de": "der sch und ein ung", "es": "que los ado ent cion"}[language].split()
    heard = (syllables[block[0] % len(syllables)] + syllables[block[1] % len(syllables)] for block in blocks_of(path, on_block))
    return " ".join(heard)


def inspect(path: Path) -> dict[str, int]:
    """Decompress an encoded file. Raises `zlib.error` for one that is damaged."""
    return {"bytes": len(zlib.decompress(path.read_bytes()))}


def delete_older(seconds: float) -> list[str]:
    """Delete the archive's files that were not touched for `seconds`; their names."""
    limit = time.time() - seconds
    deleted = []
    for path in folder().iterdir():
        with suppress(FileNotFoundError):  # another cleanup was faster
            if path.stat().st_mtime < limit:
                path.unlink()
                deleted.append(path.name)
                time.sleep(PACE_SECONDS / 5)
    return deleted
