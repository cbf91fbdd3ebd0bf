"""What `taskscope check` says about who may see what."""

from collections.abc import Iterator
from pathlib import Path

from taskscope_api.exposure import exposure
from taskscope_collector.observations import CHECK_FAILED
from taskscope_shared.settings import Settings
from taskscope_shared.settings_access import Access
from taskscope_shared.settings_base import Secret, SecretUnavailableError, resolve_secret

from taskscope.token_edits import EditError, tokens_in
from taskscope.tokens import existing


def check_access(settings: Settings) -> tuple[str, list[str]]:
    """A title, and what is right or wrong with `access` and the files it names. No provider is asked."""
    access = settings.access
    if (warning := exposure(settings)) is not None:
        return "Access: not said", [f"{CHECK_FAILED}{' '.join(warning.split())}"]
    if access.mode is None:
        return "Access: nobody is asked who they are; served on this machine alone", []
    if access.mode == "none":
        return f"Access: nobody is asked; whoever reaches {settings.api.host} sees everything", []
    return f"Access: mode {access.mode}", [*_tokens(access), *_secrets(access)]


def _tokens(access: Access) -> Iterator[str]:
    if access.tokens is None:
        return
    path = Path(access.tokens.file)
    try:
        count = len(tokens_in(path, existing(path)))
    except EditError as error:
        yield f"{CHECK_FAILED}{' '.join(str(error).split())}"
        return
    yield f"tokens: {path} has {count or 'none: `taskscope token create` makes one'}"


def _secrets(access: Access) -> Iterator[str]:
    named: dict[str, Secret | None] = {"access.session.key": access.session.key}
    if access.oidc is not None:
        named["access.oidc.client_secret"] = access.oidc.client_secret
    for name, secret in named.items():
        if secret is not None:
            try:
                resolve_secret(secret)
            except SecretUnavailableError as error:
                yield f"{CHECK_FAILED}{name}: {error}"
