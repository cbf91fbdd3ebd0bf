"""`taskscope token`: makes, lists and revokes API tokens."""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from taskscope_shared.clock import Clock, SystemClock, rfc3339
from taskscope_shared.settings import Settings
from taskscope_shared.store import StoreError
from taskscope_shared.token_uses import RedisTokenUses
from taskscope_shared.tokens import Token, dump, new_token

from taskscope.greeting import has_own_redis
from taskscope.token_edits import EditError, locked, read, tokens_in, with_token, without_token, write
from taskscope.token_options import wrong_together

WRONG = 2
"""The exit status for what cannot be done as it was said."""
NO_FILE = (
    "Which file? Name it with --file tokens.yaml, or let the configuration name it (access.tokens.file); "
    "or print a Kubernetes Secret with --secret NAME."
)
SECRET_KEY = "tokens.yaml"  # noqa: S105 - the name of a file


def token(said: argparse.Namespace, settings: Settings, clock: Clock | None = None) -> int:
    """Do what was said; the exit status."""
    clock = clock or SystemClock()
    if wrong := wrong_together(said, [source.name for source in settings.sources]):
        return _complain(wrong)
    path = _file(said, settings)
    try:
        if said.action == "create":
            return _create(said, path, clock)
        if path is None:
            return _complain(NO_FILE)
        return _revoke(said, path) if said.action == "revoke" else _list(path, settings, clock)
    except EditError as error:
        return _complain(str(error))


def _file(said: argparse.Namespace, settings: Settings) -> Path | None:
    """The file that was named; with --secret alone there is none."""
    if said.file is not None or getattr(said, "secret", None):
        return Path(said.file) if said.file is not None else None
    return None if settings.access.tokens is None else Path(settings.access.tokens.file)


# ------------------------------------------------------------------------------------------------------ create, revoke


def _create(said: argparse.Namespace, path: Path | None, clock: Clock) -> int:
    if path is None and not said.secret:
        return _complain(NO_FILE)
    now = clock.now()
    expires_at = None if said.expires is None else now + said.expires
    new, text = new_token(said.name, said.role, said.source, now=now, expires_at=expires_at)
    if path is None:
        file = dump([new])
    else:
        with locked(path) as real:
            before = read(real)
            file = with_token(before, tokens_in(real, before), new)
            write(real, file)
    _tell_new(said, path, new, text)
    if said.secret:
        sys.stdout.write(manifest(said.secret, said.namespace, file))
    return 0


def _tell_new(said: argparse.Namespace, path: Path | None, new: Token, text: str) -> None:
    """The secret goes where the manifest does not: into no file by mistake."""
    out = sys.stderr if said.secret else sys.stdout
    ends = "never expires" if new.expires_at is None else f"expires on {rfc3339(new.expires_at)[:10]}"
    seen = "all sources" if new.sources is None else ", ".join(new.sources)
    where = f"{path} has it" if path else "the Secret below has it alone"
    out.write(f"Token {new.id} ({new.name}): {new.role} of {seen}, {ends}; {where}.\n")
    out.write("This is it. It is shown this once:\n\n")
    out.write(f"{text}\n\n")
    out.flush()


def _revoke(said: argparse.Namespace, path: Path) -> int:
    with locked(path) as real:
        before = read(real)
        tokens = tokens_in(real, before)
        gone = next((each for each in tokens if each.id == said.id), None)
        if gone is None:
            return _complain(f"{path} has no token {said.id}: `taskscope token list` shows those it has")
        file = without_token(before, tokens, said.id)
        write(real, file)
    out = sys.stderr if said.secret else sys.stdout
    out.write(f"Token {gone.id} ({gone.name}) is revoked: {path} has it no more.\n")
    if said.secret:
        sys.stdout.write(manifest(said.secret, said.namespace, file))
    return 0


def manifest(name: str, namespace: str | None, text: str) -> str:
    """A Secret whose one file has this text."""
    place = f"\n  namespace: {namespace}" if namespace else ""
    lines = "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())
    return (
        f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}{place}\ntype: Opaque\nstringData:\n  {SECRET_KEY}: |\n{lines}"
    )


# ---------------------------------------------------------------------------------------------------------------- list


def _list(path: Path, settings: Settings, clock: Clock) -> int:
    tokens = tokens_in(path, existing(path))
    uses, why_not = (None, None) if has_own_redis(settings) else asyncio.run(_uses(settings))
    if why_not is not None:
        sys.stderr.write(f"When they were used last is not known: {why_not}\n")
    if not tokens:
        sys.stdout.write(f"{path} has no token: `taskscope token create` makes one.\n")
        return 0
    _table([_HEADS, *(_row(each, uses, clock.now()) for each in tokens)])
    return 0


def existing(path: Path) -> str:
    """The text of a file that has to be there. Raises `EditError`."""
    if not path.exists():
        raise EditError(f"{path} is not there: `taskscope token create --file {path}` makes it")
    return read(path)


async def _uses(settings: Settings) -> tuple[Mapping[str, float] | None, str | None]:
    uses = RedisTokenUses.from_settings(settings)
    try:
        return await uses.read(), None
    except StoreError as error:
        return None, str(error)
    finally:
        await uses.close()


_HEADS = ("ID", "NAME", "ROLE", "SOURCES", "CREATED", "EXPIRES", "LAST USED")


def _row(each: Token, uses: Mapping[str, float] | None, now: float) -> tuple[str, ...]:
    over = each.expires_at is not None and each.expires_at <= now
    expires = "never" if each.expires_at is None else _moment(each.expires_at)
    used = "?" if uses is None else _moment(uses[each.id]) if each.id in uses else "never"
    created = "?" if each.created_at is None else _moment(each.created_at)
    sources = "all" if each.sources is None else ",".join(each.sources)
    return (each.id, each.name, each.role, sources, created, f"{expires} (over)" if over else expires, used)


def _moment(at: float) -> str:
    return rfc3339(at)[:16].replace("T", " ")


def _table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        sys.stdout.write(f"{line.rstrip()}\n")


def _complain(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return WRONG
