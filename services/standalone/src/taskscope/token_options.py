"""The command line of `taskscope token`."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from taskscope_shared.settings_problems import NAME as SOURCE_NAME
from taskscope_shared.tokens import ROLES, id_of, wrong_name

DESCRIPTION = """\
API tokens for the modes that take them (access.tokens; docs/security.md). Their hashes are in a file, which the api reads
anew when it changes: no restart. A token is shown once, when it is made, and nobody can find it out again.
"""
EXAMPLES = """\
examples:
  taskscope token create --name ci --role viewer --file tokens.yaml
  taskscope token create --name media-team --role viewer --source archivist --expires 30d --file tokens.yaml
  taskscope token list --file tokens.yaml --redis redis://localhost:6379/0
  taskscope token revoke 3f9a2c71d04b --file tokens.yaml
  taskscope token create --name ci --role viewer --secret taskscope-tokens --namespace monitoring
  taskscope token create --name two --role viewer --file tokens.yaml --secret taskscope-tokens

Without --file and --secret the file is the one that the configuration names (access.tokens.file).
"""
CREATE = """\
Make a token and add it to the file. The token itself is printed, once: whoever is to use it sends it as
`Authorization: Bearer ts_...`, or signs in with it on the page.

With --secret, a manifest of a Kubernetes Secret that holds the file is printed instead, for `kubectl apply -f -`, and the
token goes to the terminal (standard error). Together with --file it holds all tokens of that file, and the file is
changed, too; without, it holds the new one alone, and would replace those that a Secret of that name has already.
"""
DEFAULT_EXPIRES = "365d"
_DURATION = re.compile(r"([1-9][0-9]{0,4})([mhdw])")
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_KUBERNETES_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def add_token_commands(commands: Any) -> None:  # noqa: ANN401 - argparse's subparsers have no public type
    """`token create`, `token list` and `token revoke`."""
    token = commands.add_parser(
        "token", help="make, list and revoke API tokens", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=_RAW
    )
    what = token.add_subparsers(dest="action", required=True, metavar="ACTION")
    where = _where()
    create = what.add_parser("create", help="make one", description=CREATE, formatter_class=_RAW, parents=[where, _secret()])
    create.add_argument("--name", required=True, type=_name, help="what it is for: shown in logs and lists")
    create.add_argument("--role", required=True, choices=ROLES, help="what it may do, each including those before it")
    sources = "a source that it may see; may be repeated (all of them, if not given)"
    create.add_argument("--source", action="append", type=_source, metavar="NAME", help=sources)
    expires = f"how long it is good: 30m, 12h, 90d, 4w, or never ({DEFAULT_EXPIRES})"
    create.add_argument("--expires", type=_duration, default=_duration(DEFAULT_EXPIRES), metavar="TIME", help=expires)
    listing = what.add_parser(
        "list",
        help="list them",
        description="Say which tokens there are, and when each was used last, if Taskscope's Redis can be asked.",
        parents=[where],
    )
    listing.add_argument("--redis", metavar="URL", help="Taskscope's own Redis or Valkey, which knows the last uses")
    revoke = what.add_parser(
        "revoke",
        help="take one back",
        description="Take a token out of the file: within a second or two nobody gets anything for it, and what is open ends.",
        parents=[where, _secret()],
    )
    revoke.add_argument("id", type=_id, metavar="ID", help="as `taskscope token list` shows it")


_RAW = argparse.RawDescriptionHelpFormatter


def _where() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--file", type=Path, metavar="FILE", help="the file of tokens")
    options.add_argument("--config", type=Path, metavar="FILE", help="a YAML file that names it (also TASKSCOPE_CONFIG)")
    return options


def _secret() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--secret", type=_kubernetes_name, metavar="NAME", help="print the manifest of a Secret of this name")
    options.add_argument("--namespace", type=_kubernetes_name, metavar="NAME", help="the Secret's namespace")
    return options


def _name(text: str) -> str:
    if wrong := wrong_name(text):
        raise argparse.ArgumentTypeError(f"the name {wrong}")
    return text


def _source(text: str) -> str:
    if not SOURCE_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text[:70]!r} cannot be the name of a source; patterns are not taken here")
    return text


def _kubernetes_name(text: str) -> str:
    if not _KUBERNETES_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text[:70]!r} is no name in Kubernetes: small letters, digits, - and .")
    return text


def _duration(text: str) -> float | None:
    """Seconds; None for never."""
    if text == "never":
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no time: 30m, 12h, 90d, 4w, or never")
    return float(int(found[1]) * _UNITS[found[2]])


def _id(text: str) -> str:
    """An id, or the token itself."""
    id_ = id_of(text) or text.removeprefix("ts_")
    if not re.fullmatch(r"[0-9a-f]{12}", id_):
        raise argparse.ArgumentTypeError(
            "this is no id of a token: 12 hexadecimal digits, as `taskscope token list` shows them"
        )
    return id_


def wrong_together(said: argparse.Namespace, known_sources: Sequence[str]) -> str | None:
    """What cannot be said together, or of this configuration; None where nothing is wrong."""
    if getattr(said, "namespace", None) and not said.secret:
        return "--namespace belongs to --secret"
    unknown = [name for name in getattr(said, "source", None) or () if known_sources and name not in known_sources]
    if unknown:
        return f"the configuration has no source {', '.join(unknown)}: it has {', '.join(known_sources)}"
    return None
