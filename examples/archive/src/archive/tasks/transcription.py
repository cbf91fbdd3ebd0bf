"""Transcription: language, words, subtitles."""

import zlib
from typing import Any

from archive import media
from archive.celery_app import task
from archive.tasks.progress import Meter


@task()
def detect_transcription_language(title: str, seconds: float) -> list[str]:
    """Record a sample and guess its language; what `transcribe` takes next."""
    path = media.record(title, seconds, ".wav")
    return [title, ("en", "de", "es")[zlib.crc32(path.read_bytes()) % 3]]


@task(bind=True)
def transcribe(self: Any, sample: list[str]) -> dict[str, object]:  # noqa: ANN401
    """Write down what is heard in a sample, with progress. Raises `FileNotFoundError` for one that was cleaned away."""
    title, language = sample
    text = media.transcript(media.path_of(title, ".wav"), language, Meter(self, f"Listening ({language})"))
    media.path_of(title, ".txt").write_text(text)
    return {"language": language, "words": len(text.split())}


@task()
def subtitle_transcription(result: dict[str, object], title: str) -> str:
    """Cut a transcript into subtitles; the file's name."""
    words = media.path_of(title, ".txt").read_text().split()
    lines = [" ".join(words[start : start + 8]) for start in range(0, len(words), 8)]
    target = media.path_of(title, f".{result['language']}.srt")
    target.write_text("\n".join(lines))
    return target.name


@task()
def import_transcription(title: str) -> int:
    """Read subtitles that somebody wrote in another encoding: fails with `UnicodeDecodeError`."""
    path = media.path_of(title, ".srt")
    path.write_bytes("Ratssitzung: Begrüßung der Gäste".encode("latin-1"))
    return len(path.read_text(encoding="utf-8"))
