"""`taskscope`: the command."""

import argparse
import sys
from collections.abc import Sequence

from taskscope_shared.settings import Settings, SettingsError, load

from taskscope import options

OBSERVED = ("up", "check")
"""Commands that look at `OTEL_*`: one serves with them, the other says what is wrong."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status (2: the configuration is wrong)."""
    said = options.parse(arguments)
    try:
        settings = load(
            said.config, options.overrides(said), with_brokers=said.command != "token", with_telemetry=said.command in OBSERVED
        )
    except SettingsError as error:
        sys.stderr.write(f"The configuration is wrong:\n{''.join(f'  {problem}{chr(10)}' for problem in error.problems)}")
        if said.command == "up" and any(problem.path.startswith("access.") for problem in error.problems):
            sys.stderr.write(f"{options.ACCESS_HINT}\n")
        return 2
    return _run(said, settings)


def _run(said: argparse.Namespace, settings: Settings) -> int:
    # Imported when needed: --help and a wrong configuration answer at once.
    if said.command == "up":
        from taskscope.up import up

        return up(settings)
    if said.command == "token":
        from taskscope.tokens import token

        return token(said, settings)
    from taskscope.sources import check, events

    return check(settings) if said.command == "check" else events(settings, on=said.switch == "on")


if __name__ == "__main__":
    raise SystemExit(main())
