"""`python -m footage WHAT`: what the suite has pods do, by `kubectl exec`. Answers are JSON on the standard output."""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from redis import Redis

from footage import place


def main() -> None:
    """One command."""
    arguments = _arguments()
    answer = arguments.run(arguments)
    sys.stdout.write(json.dumps(answer) + "\n")


def _produce(said: argparse.Namespace) -> int:
    from footage import produce

    return produce.produce(said.batch, said.engine, said.rate, said.seconds)


def _show(said: argparse.Namespace) -> None:
    from footage import produce

    produce.show(said.batch, said.engine, said.count, said.seconds)


def _stop(said: argparse.Namespace) -> None:
    place.stop(said.batch)


def _told(said: argparse.Namespace) -> list[tuple[str, str, float, str]]:
    """The ledger, as soon as everything that was sent has ended, or at the deadline."""
    deadline = time.monotonic() + said.seconds
    while not _is_over(lines := list(place.read(said.batch))) and time.monotonic() < deadline:
        time.sleep(0.5)
    return lines


def _is_over(lines: list[tuple[str, str, float, str]]) -> bool:
    ended = {task_id for task_id, what, _, outcome in lines if what == "ended" and outcome != "retrying"}
    return all(task_id in ended for task_id, what, _, _ in lines if what == "sent")


def _events(_: argparse.Namespace) -> dict[str, str]:
    """Worker -> what it says when its events are to be switched off: `already disabled` if they are."""
    from footage.app import app

    replies: Any = app.control.broadcast("disable_events", reply=True, timeout=3)
    return {worker: str(answer) for reply in replies for worker, answer in reply.items()}


def _ask(said: argparse.Namespace) -> dict[str, Any]:
    """One GET, by a token or the file of one."""
    token = Path(said.token_file).read_text() if said.token_file else said.token
    request = urllib.request.Request(said.url, headers={"Authorization": f"Bearer {token.strip()}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return {"status": answer.status, "body": json.loads(answer.read())}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": json.loads(error.read())}


def _keys(said: argparse.Namespace) -> dict[str, int]:
    """Every key of a Redis -> the milliseconds it has to live; -1: for ever."""
    server: Any = Redis.from_url(said.url)
    return {key.decode(): server.pttl(key) for key in server.scan_iter(count=1000)}


def _redis(said: argparse.Namespace) -> Any:
    """One command to a Redis."""
    server: Any = Redis.from_url(said.url, decode_responses=True)
    answer = server.execute_command(*said.command)
    return answer if isinstance(answer, (str, int, list, dict, type(None))) else str(answer)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m footage")
    commands = parser.add_subparsers(required=True)
    for name, run in {"produce": _produce, "show": _show, "stop": _stop, "told": _told}.items():
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("batch")
        command.add_argument("--engine", choices=["celery", "rq"], default="celery")
        command.add_argument("--seconds", type=float, default=10.0)
        command.add_argument("--rate", type=float, default=1.0)
        command.add_argument("--count", type=int, default=1)
    commands.add_parser("events").set_defaults(run=_events)
    ask = commands.add_parser("ask")
    ask.set_defaults(run=_ask)
    ask.add_argument("url")
    ask.add_argument("--token", default="")
    ask.add_argument("--token-file", default="")
    for name, run in {"keys": _keys, "redis": _redis}.items():
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("url")
        command.add_argument("command", nargs="*")
    return parser.parse_args()


if __name__ == "__main__":
    main()
