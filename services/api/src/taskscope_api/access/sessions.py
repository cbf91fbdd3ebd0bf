"""Sessions of browsers: a signed cookie says what one signed in with, and what that is worth is asked anew at each request.

No server remembers a session, so any replica with the same key takes it, and it ends when what it was made from ends.
"""

import binascii
import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec
from itsdangerous import BadSignature, Signer
from taskscope_shared.clock import Clock

from taskscope_api.addresses import Addresses
from taskscope_api.asked import Scope, bearer, header
from taskscope_api.principals import Principal

MODE = "session"
SALT = "taskscope.session.1"
PLAIN_NAME = "taskscope_session"
SECURE_NAME = "__Secure-taskscope_session"
HOST_NAME = "__Host-taskscope_session"
"""A browser takes a cookie of this name over TLS alone, from this very host alone, for the path `/` alone."""
MAX_COOKIE = 4000
"""Characters; browsers drop what is longer."""
MAX_KNOWN = 4_000
"""Sessions that are not read from their cookie again; only what we signed is among them."""


class Session(msgspec.Struct, frozen=True, array_like=True):
    """What a cookie holds: never a secret.

    `kind` says who judges it (`token`, `oidc`), `id` is a token's or a subject's, `groups` those that grants name. Times are
    epoch seconds.
    """

    kind: str
    id: str
    name: str
    groups: tuple[str, ...]
    began: float
    expires_at: float


Judge = Callable[[Session], Principal | None]
"""What a session is worth now; None: nothing any more. Raises `RefusedError` (403) where it is known who asks."""


class Sessions:
    """Makes cookies and reads them. Of the `keys` the last one signs, all are accepted.

    `secure`: browsers come over TLS, whatever is known of the request.
    """

    mode = MODE
    borrowed = True

    def __init__(
        self, keys: Sequence[str], seconds: float, clock: Clock, addresses: Addresses, *, secure: bool = False
    ) -> None:
        self._signer = Signer(list(keys), salt=SALT, key_derivation="hmac", digest_method=hashlib.sha256)
        self._seconds = seconds
        self._clock = clock
        self._addresses = addresses
        self._secure = secure
        self._judges: dict[str, Judge] = {}
        self._known: OrderedDict[bytes, Session] = OrderedDict()

    def judge(self, kind: str, judge: Judge) -> None:
        """Let `judge` say what sessions of this kind are worth."""
        self._judges[kind] = judge

    # -------------------------------------------------------------------------------------------------------- making

    def begin(self, kind: str, id_: str, name: str, groups: Sequence[str] = (), until: float | None = None) -> Session:
        """A session that begins now and ends after its time, or at `until` (epoch seconds) if that is sooner."""
        now = self._clock.now()
        ends = now + self._seconds
        return Session(kind, id_, name, tuple(groups), now, ends if until is None else min(ends, until))

    def cookie(self, session: Session, scope: Scope) -> str:
        """The value of the `Set-Cookie` that begins the session in the browser that sent `scope`."""
        value = self._signer.sign(urlsafe_b64encode(msgspec.json.encode(session)).rstrip(b"=")).decode()
        seconds = max(0, int(session.expires_at - self._clock.now()))
        return self._set(scope, value, seconds)

    def end(self, scope: Scope) -> str:
        """The value of the `Set-Cookie` that ends it."""
        return self._set(scope, "", 0)

    def _set(self, scope: Scope, value: str, seconds: int) -> str:
        name, path, secure = self._name(scope)
        return f"{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"

    def _name(self, scope: Scope) -> tuple[str, str, bool]:
        path, secure = scope.get("root_path") or "/", self._secure or self._addresses.is_secure(scope)
        return HOST_NAME if secure and path == "/" else SECURE_NAME if secure else PLAIN_NAME, path, secure

    # ------------------------------------------------------------------------------------------------------- reading

    def read(self, scope: Scope) -> Session | None:
        """The session of the request's cookie; None where there is none that was signed by us and has not ended."""
        name = self._name(scope)[0]
        for text in (header(scope, b"cookie") or "").split(";"):
            found, _, value = text.strip().partition("=")
            if found == name and (session := self._opened(value)) is not None:
                return session
        return None

    def _opened(self, value: str) -> Session | None:
        """The session that was signed, if it has not ended. What was read lately is known by its hash."""
        if not value or len(value) > MAX_COOKIE:
            return None
        digest = hashlib.sha256(value.encode("latin-1")).digest()
        session = self._known.get(digest)
        if session is None and (session := self._unpacked(value)) is not None:
            self._known[digest] = session
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return session if session is not None and self._clock.now() < session.expires_at else None

    def _unpacked(self, value: str) -> Session | None:
        try:
            packed = self._signer.unsign(value)
            return msgspec.json.decode(urlsafe_b64decode(packed + b"=" * (-len(packed) % 4)), type=Session)
        except (BadSignature, binascii.Error, msgspec.DecodeError):
            return None

    async def identify(self, scope: Scope) -> Principal | None:
        """Who is signed in, with the rights they have now. A token that comes beside the cookie is meant, even a wrong one."""
        session = self.read(scope) if bearer(scope) is None else None
        return None if session is None else self.worth(session)

    def worth(self, session: Session) -> Principal | None:
        """Whose session it is, with the rights they have now; None when what it was made from is gone."""
        judge = self._judges.get(session.kind)
        found = None if judge is None else judge(session)
        if found is None:
            return None
        ends = session.expires_at if found.expires_at is None else min(session.expires_at, found.expires_at)
        return msgspec.structs.replace(found, expires_at=ends)


def random_key() -> str:
    """A key for one process: its sessions end with it."""
    return secrets.token_hex(32)
