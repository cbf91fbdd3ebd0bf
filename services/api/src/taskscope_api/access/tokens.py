"""Mode `token`: who asks is told by an API token, in `Authorization: Bearer ts_...` or when a browser signs in with one."""

import hashlib
import hmac
from collections.abc import Callable

from taskscope_shared.clock import Clock
from taskscope_shared.tokens import PREFIX, SCHEME, Token, hash_of, id_of

from taskscope_api.access.refused import RefusedError
from taskscope_api.access.sessions import Session
from taskscope_api.access.token_file import TokenFile
from taskscope_api.asked import Scope, bearer
from taskscope_api.principals import Principal, Role

KIND = "token"
NOBODYS = SCHEME + hashlib.sha256(b"").hexdigest()
"""Compared with where there is no such id, so that it takes as long: no token has this hash."""
UNKNOWN = "this token is not known here: it was mistyped, or revoked"


class Tokens:
    """Knows tokens by their hashes. `used` is told the id of each that was right."""

    mode = KIND
    borrowed = False

    def __init__(self, file: TokenFile, clock: Clock, used: Callable[[str], None] = lambda _: None) -> None:
        self._file = file
        self._clock = clock
        self._used = used

    async def identify(self, scope: Scope) -> Principal | None:
        """Whose token the request holds. Raises `RefusedError` for one that is none, or none any more."""
        text = bearer(scope)
        return None if text is None or not text.startswith(PREFIX) else self.judge(text)

    def judge(self, text: str) -> Principal:
        """Whose token this is. Raises `RefusedError`."""
        id_ = id_of(text)
        token = None if id_ is None else self._file.get(id_)
        right = hmac.compare_digest(hash_of(text), NOBODYS if token is None else token.hash)
        if token is None or not right:
            raise RefusedError("unknown-token", UNKNOWN, credential=None if id_ is None else f"{KIND}:{id_}")
        if self._is_over(token):
            detail = "this token has expired: `taskscope token create` makes another"
            raise RefusedError("expired-token", detail, credential=f"{KIND}:{id_}")
        self._used(token.id)
        return _principal(token)

    def worth(self, session: Session) -> Principal | None:
        """What a session that was begun with a token is worth now."""
        token = self._file.get(session.id)
        return None if token is None or self._is_over(token) else _principal(token)

    def holds(self, principal: Principal) -> bool:
        """Whether the token is there, with the same rights."""
        token = self._file.get((principal.credential or "").removeprefix(f"{KIND}:"))
        if token is None or self._is_over(token):
            return False
        now = _principal(token)
        return (now.role, now.sources) == (principal.role, principal.sources)

    def _is_over(self, token: Token) -> bool:
        return token.expires_at is not None and self._clock.now() >= token.expires_at


def _principal(token: Token) -> Principal:
    sources = None if token.sources is None else frozenset(token.sources)
    return Principal(token.name, Role(token.role), sources, token.expires_at, f"{KIND}:{token.id}")
