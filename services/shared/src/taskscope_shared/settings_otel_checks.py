"""What can be wrong with an `OTEL_*` variable, said as every other problem of the configuration. A value is never repeated."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from taskscope_shared.settings_problems import Problem, closest

PROTOCOL = "http/protobuf"


class Checks:
    """Reads what is `given` (no empty ones), and gathers what is wrong in `problems`."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given = given
        self.problems: list[Problem] = []

    def _refuse(self, name: str, message: str, hint: str) -> None:
        self.problems.append(Problem(name, message, hint))

    def flag(self, name: str) -> bool:
        """`true` or `false`, in any case."""
        value = self.given.get(name, "false").lower()
        if value not in ("true", "false"):
            self._refuse(name, "is neither true nor false", f"{name}=true switches telemetry off")
        return value == "true"

    def choice(self, name: str, known: Sequence[str]) -> str | None:
        """One of `known`; None where it is not given, or is none of them."""
        value = self.given.get(name, "").lower()
        if not value or value in known:
            return value or None
        meant = closest(value, known)
        self._refuse(name, "is not known here", f"did you mean {meant}?" if meant else f"known: {', '.join(known)}")
        return None

    def choices(self, name: str, known: Sequence[str]) -> tuple[str, ...]:
        """Several of `known` between commas, each once; `none` stands alone, and is nothing."""
        said = [word.strip().lower() for word in self.given.get(name, "").split(",") if word.strip()]
        for word in said:
            if word not in known:
                meant = closest(word, known)
                hint = f"did you mean {meant}? " if meant else ""
                self._refuse(name, f"{word[:40]!r} is not known here", f"{hint}known: {', '.join(known)}")
        if "none" in said and len(set(said)) > 1:
            self._refuse(name, "names none beside others", "none stands alone")
        return tuple(dict.fromkeys(word for word in said if word in known and word != "none"))

    def number(self, name: str, default: float, *, least: float = 0.0, most: float = float("inf")) -> float:
        """A number from `least` to `most`."""
        try:
            value = float(self.given.get(name, default))
        except ValueError:
            value = float("nan")
        if least <= value <= most:
            return value
        self._refuse(name, "is not a number in its range", f"{least:g} to {most:g}")
        return default

    def whole(self, name: str, default: int, *, least: int, most: int | None = None) -> int:
        """A whole number from `least` to `most`."""
        text = self.given.get(name, str(default))
        if text.isascii() and text.isdigit() and least <= int(text) <= (int(text) if most is None else most):
            return int(text)
        self._refuse(name, "is not a whole number in its range", f"from {least}" if most is None else f"{least} to {most}")
        return default

    def url(self, name: str) -> None:
        """An http or https URL with a host."""
        if name not in self.given:
            return
        try:
            parts = urlsplit(self.given[name])
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            self._refuse(name, "is no URL that OTLP is sent to", f"{name}=http://otel-collector:4318")

    def protocol(self, name: str) -> None:
        """The one way that OTLP goes here."""
        if self.given.get(name, PROTOCOL).lower() != PROTOCOL:
            hint = f"{PROTOCOL}, which every OpenTelemetry collector takes on port 4318; gRPC would cost the images 20 MB"
            self._refuse(name, "names a protocol that is not spoken here", hint)

    def pairs(self, name: str, example: str) -> None:
        """`key=value,key=value`."""
        for pair in filter(str.strip, self.given.get(name, "").split(",")):
            key, separator, _ = pair.partition("=")
            if not separator or not key.strip():
                self._refuse(name, "holds something that is not key=value", example)
                return

    def file(self, name: str) -> None:
        """A file that can be read."""
        if name not in self.given:
            return
        try:
            with Path(self.given[name]).open("rb"):
                pass
        except OSError as error:
            self._refuse(name, f"names a file that cannot be read: {error.strerror}", "a PEM file, mounted where it is named")
