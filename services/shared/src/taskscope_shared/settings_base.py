"""What all settings are made of: strict models, and secrets that may be in files."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Settings: what is not known is a problem, and nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SecretFile(Strict):
    """`{file: PATH}`: read anew at each use: a rotated secret is taken, a missing one keeps down what needs it alone."""

    file: str


Url = str | SecretFile
Secret = str | SecretFile


class SecretUnavailableError(Exception):
    """A secret's file is not there, cannot be read or is empty: what needs it is down until it is there."""


def resolve_secret(secret: Secret) -> str:
    """The text itself; a `SecretFile` is read anew. Raises `SecretUnavailableError`; never says what a file holds."""
    if isinstance(secret, str):
        return secret
    try:
        text = Path(secret.file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SecretUnavailableError(f"the secret file {secret.file} cannot be read: {reason}") from None
    if not text:
        raise SecretUnavailableError(f"the secret file {secret.file} is empty")
    return text
