"""The command line of `taskscope`: what can be said, and what it means for the settings."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, get_args

from taskscope_shared.settings_access import ModeName
from taskscope_shared.settings_problems import REDIS_SCHEMES

from taskscope.token_options import add_token_commands

UP_EXAMPLES = """\
examples:
  taskscope up --celery redis://localhost:6379/0
  taskscope up --celery amqp://guest:guest@rabbit// --result-backend redis://results:6379/1
  taskscope up --rq redis://localhost:6379/2 --rq redis://other:6379/0
  taskscope up --config taskscope.yaml --port 8080
  taskscope up --celery redis://broker/0 --host 0.0.0.0 --access token --tokens tokens.yaml
  taskscope up --celery redis://broker/0 --host 0.0.0.0 --access none

Press Ctrl-C to stop. What it knows is forgotten then, unless --redis names a server that remembers it.
"""
EXAMPLES = """\
examples:
  taskscope up --celery redis://localhost:6379/0     watch a Celery application: http://127.0.0.1:5051
  taskscope up --config taskscope.yaml               watch what the file lists
  taskscope check --config taskscope.yaml            say what is wrong with it, and what each source answers
  taskscope events off --config taskscope.yaml       leave the workers as they were
  taskscope token create --name me --role viewer --file tokens.yaml    make an API token

`taskscope COMMAND --help` says more about each. Every setting also has a variable: TASKSCOPE_API__PORT=8080.
"""
ACCESS = (
    "how people say who they are: token (needs --tokens), proxy or oidc (need --config), "
    "or none: whoever reaches the address sees everything"
)
ACCESS_HINT = (
    "On the command line: --access token --tokens FILE (`taskscope token create --name me --role viewer --file FILE`\n"
    "makes it), or --access none. Modes proxy and oidc are set up in a file (--config): docs/security.md, docs/oidc.md."
)
EVENTS_DESCRIPTION = """\
Workers that send no events are asked to send them while Taskscope watches. `events off` asks those workers to stop,
and leaves a mark in Taskscope's own Redis, so that collectors that run leave them alone from now on; `events on`
takes the mark away again.
"""


def _sources(said: Sequence[tuple[str, str]], complain: Callable[[str], NoReturn]) -> list[dict[str, str]]:
    """`--celery URL` and `--rq URL` begin a source each, `--result-backend URL` belongs to the --celery before it."""
    sources: list[dict[str, str]] = []
    for option, url in said:
        if option != "result_backend":
            number = sum(source["engine"] == option for source in sources) + 1
            name = option if number == 1 else f"{option}-{number}"
            sources.append({"name": name, "engine": option} | _urls(option, url))
        elif sources and sources[-1]["engine"] == "celery":
            sources[-1]["result_backend"] = url
        else:
            complain("--result-backend belongs to a --celery URL, and has to follow it")
    return sources


def _urls(engine: str, url: str) -> dict[str, str]:
    """A Redis broker is taken for the result backend, too: publications ignore the database's number, so progress is seen."""
    if engine == "rq":
        return {"redis_url": url}
    first = url.partition(";")[0]  # brokers may be several, the next for when one does not answer; a result backend is one
    return {"broker_url": url} | ({"result_backend": first} if url.partition(":")[0] in REDIS_SCHEMES else {})


def parser() -> argparse.ArgumentParser:
    """The parser of everything."""
    top = _parser(argparse.ArgumentParser, "taskscope", "Watch every Celery and RQ task, live.", EXAMPLES)
    top.add_argument("--version", action="version", version=f"taskscope {version('taskscope')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=argparse.ArgumentParser)
    watched = _source_options()
    up = commands.add_parser(
        "up",
        help="watch, and show it on a page",
        description="Watch brokers and show what their tasks do, all in one process.",
        epilog=UP_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[watched],
    )
    up.add_argument("--host", help="the address to listen on (127.0.0.1); any other than loopback needs --access")
    up.add_argument("--port", type=int, help="the port to listen on (5051); 0 takes a free one")
    up.add_argument("--access", choices=get_args(ModeName), help=ACCESS)
    tokens = "the file of API tokens, for --access token: `taskscope token create` makes it"
    up.add_argument("--tokens", metavar="FILE", help=tokens)
    up.add_argument("--log-level", choices=["debug", "info", "warning", "error"], help="how much is logged (info)")
    commands.add_parser(
        "check",
        help="say what is wrong with a configuration, and what each source answers",
        description="Try each source once, and say who may see what. "
        "Status 0 when all is right and answers, 1 when something does not, 2 when the configuration is wrong.",
        parents=[watched],
    )
    events = commands.add_parser(
        "events",
        help="switch the workers' events off that were switched on",
        description=EVENTS_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[watched],
    )
    events.add_argument("switch", choices=["off", "on"])
    add_token_commands(commands)
    return top


def _parser(make: type[argparse.ArgumentParser], name: str, description: str, epilog: str) -> argparse.ArgumentParser:
    return make(prog=name, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter)


def _source_options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    group = options.add_argument_group("what to watch")
    group.add_argument("--config", type=Path, metavar="FILE", help="a YAML file (also TASKSCOPE_CONFIG)")
    celery = (
        "a Celery application's broker: redis, rediss, unix, amqp, amqps or redis+sentinel; may be repeated. "
        "A Redis broker is taken for the result backend, too"
    )
    for option, text in (
        ("celery", celery),
        ("result_backend", "the result backend of the --celery before it"),
        ("rq", "the Redis of RQ jobs; may be repeated"),
    ):
        flag = f"--{option.replace('_', '-')}"
        # One list for the three, since their order counts.
        group.add_argument(
            flag, action="append", dest="said", type=partial(_tagged, option), default=[], metavar="URL", help=text
        )
    group.add_argument("--redis", metavar="URL", help="Taskscope's own Redis or Valkey (up: one of its own, if not given)")
    return options


def _tagged(option: str, url: str) -> tuple[str, str]:
    return option, url


def overrides(options: argparse.Namespace) -> Mapping[str, object]:
    """What was said on the command line, as settings."""
    sources = _sources(getattr(options, "said", ()), parser().error)
    said: dict[str, object] = {"sources": sources} if sources else {}
    if getattr(options, "redis", None) is not None:
        said["redis"] = {"url": options.redis}
    api = {name: value for name in ("host", "port") if (value := getattr(options, name, None)) is not None}
    if api:
        said["api"] = api
    access: dict[str, Any] = {"mode": options.access} if getattr(options, "access", None) else {}
    if getattr(options, "tokens", None):
        access["tokens"] = {"file": options.tokens}
    if access:
        said["access"] = access
    if getattr(options, "log_level", None):
        said["log_level"] = options.log_level
    return said


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The parsed command line; argparse ends the process with 2 where it cannot be understood."""
    return parser().parse_args(arguments)
