"""A worker's configuration as it may be shown: flat, capped, and without secrets."""

from collections.abc import Mapping

from taskscope_shared.requests import Setting

from taskscope_collector.redaction import MASK, Redactor

SETTINGS = 500
"""Settings shown of one worker, in the order of their names."""
_SCALARS = (bool, int, float, type(None))


def shown_settings(settings: Mapping[str, object], redactor: Redactor) -> dict[str, Setting]:
    """Numbers and switches as they are, text redacted, anything with parts as a redacted preview."""
    return {key: _shown(key, settings[key], redactor) for key in sorted(settings)[:SETTINGS]}


def _shown(key: str, value: object, redactor: Redactor) -> Setting:
    if isinstance(value, _SCALARS):
        return value if value is None or isinstance(value, bool) or not redactor.is_secret(key) else MASK
    if redactor.is_secret(key):
        return MASK
    return redactor.text(value) if isinstance(value, str) else redactor.value(value)
