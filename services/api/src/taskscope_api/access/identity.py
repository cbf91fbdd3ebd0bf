"""Identity as it is configured: what knows who asks, and what the routes for signing in need."""

import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from taskscope_shared.clock import Clock
from taskscope_shared.settings import Problem, SecretUnavailableError, Settings, SettingsError
from taskscope_shared.settings_access_problems import KEY_CHARACTERS
from taskscope_shared.settings_base import resolve_secret
from taskscope_shared.token_uses import TokenUses

from taskscope_api.access import oidc as oidc_modes
from taskscope_api.access import proxy as proxies
from taskscope_api.access import tokens as api_tokens
from taskscope_api.access.audit import Audit
from taskscope_api.access.failures import Failures
from taskscope_api.access.grants import Grants
from taskscope_api.access.jwt_bearers import KnownTokens
from taskscope_api.access.last_uses import LastUses
from taskscope_api.access.modes import Authenticator, Modes, Standing
from taskscope_api.access.oidc import OidcMode
from taskscope_api.access.provider import Provider
from taskscope_api.access.service_accounts import service_accounts
from taskscope_api.access.sessions import Sessions, random_key
from taskscope_api.access.throttle import Throttle
from taskscope_api.access.token_file import TokenFile
from taskscope_api.access.tokens import Tokens
from taskscope_api.addresses import Addresses
from taskscope_api.exposure import is_loopback
from taskscope_api.origins import Origins
from taskscope_api.principals import Access, OpenAccess

logger = logging.getLogger(__name__)

Background = Callable[[], Coroutine[Any, Any, None]]


class Identity(msgspec.Struct, frozen=True):
    """Of one app. Without `sessions` nobody can sign in, without `tokens` not by a token, without `oidc` not at a provider.

    `providers` are asked for keys, `background` runs while it serves.
    """

    access: Access
    addresses: Addresses
    origins: Origins
    grants: Grants
    failures: Failures
    sessions: Sessions | None = None
    tokens: Tokens | None = None
    token_file: TokenFile | None = None
    oidc: OidcMode | None = None
    providers: tuple[Provider, ...] = ()
    background: tuple[Background, ...] = ()


def identity_of(
    settings: Settings, clock: Clock, access: Access | None = None, token_uses: TokenUses | None = None
) -> Identity:
    """What the settings say; `access` instead of the modes, if it is given. `token_uses` keeps when tokens were used last.

    Raises `SettingsError` for a session key that cannot be read.
    """
    if access is not None or settings.access.mode in (None, "none"):
        return _open(settings, clock, access)
    return _Making(settings, clock, token_uses).identity()


def _parts(settings: Settings, clock: Clock, *, loopback: bool) -> tuple[Addresses, Origins, Failures]:
    """`loopback`: nobody is asked who they are. A proxy that is believed who asks is believed from where, too."""
    proxy = settings.access.proxy if settings.access.mode == "proxy" else None
    addresses = Addresses((*settings.api.trusted_proxies, *(() if proxy is None else proxy.addresses)))
    failures = Failures(Throttle(settings.access.throttle, clock), Audit(clock, addresses), addresses)
    private = settings.access.mode is None and is_loopback(settings.api.host)
    origins = Origins(addresses, [*settings.api.allowed_origins, *_own(settings)], loopback=loopback, private=private)
    return addresses, origins, failures


def _own(settings: Settings) -> list[str]:
    """Where browsers find this, if that is said: whatever a proxy makes of the host."""
    if settings.access.mode != oidc_modes.KIND or settings.access.oidc is None:
        return []
    parts = urlsplit(settings.access.oidc.public_url)
    return [f"{parts.scheme}://{parts.netloc}"]


def _open(settings: Settings, clock: Clock, access: Access | None) -> Identity:
    addresses, origins, failures = _parts(settings, clock, loopback=True)
    return Identity(access or OpenAccess(origins), addresses, origins, Grants(settings.access), failures)


class _Making:
    """Puts the modes together, one after the other."""

    def __init__(self, settings: Settings, clock: Clock, token_uses: TokenUses | None) -> None:
        self._access = settings.access
        self._token_uses = token_uses
        self._clock = clock
        self._addresses, self._origins, self._failures = _parts(settings, clock, loopback=False)
        self._grants = Grants(settings.access)
        self._authenticators: list[Authenticator] = []
        self._standing: dict[str, Standing] = {}
        self._background: list[Background] = [self._failures.audit.run]
        self._keys: list[str] = []
        self._known = KnownTokens(clock)
        self._providers: list[Provider] = []

    def identity(self) -> Identity:
        """All of it. What comes first in here is asked first."""
        file, tokens = self._tokens()
        self._proxy()
        sessions = self._sessions(tokens)
        oidc = self._oidc(sessions)
        self._service_accounts()
        modes = Modes(self._authenticators, self._standing, self._origins, self._failures, self._clock)
        return Identity(
            modes,
            self._addresses,
            self._origins,
            self._grants,
            self._failures,
            sessions,
            tokens,
            file,
            oidc,
            tuple(self._providers),
            tuple(self._background),
        )

    def _tokens(self) -> tuple[TokenFile | None, Tokens | None]:
        """Beside every mode, where there is a file."""
        if self._access.tokens is None:
            return None, None
        file = TokenFile(Path(self._access.tokens.file), self._clock)
        if self._token_uses is None:
            tokens = Tokens(file, self._clock)
        else:
            uses = LastUses(self._token_uses, file.ids, self._clock)
            tokens = Tokens(file, self._clock, uses.note)
            self._background.append(uses.run)
        self._authenticators.append(tokens)
        self._standing[api_tokens.KIND] = tokens
        self._background.append(file.run)
        return file, tokens

    def _proxy(self) -> None:
        if self._access.mode == proxies.KIND and self._access.proxy is not None:

            def ignored(scope: Any) -> None:  # noqa: ANN401 - an ASGI scope
                self._failures.audit.refused("untrusted-proxy", scope, proxies.KIND)

            self._authenticators.append(proxies.ProxyHeaders(self._access.proxy, self._grants, self._clock, ignored))

    def _sessions(self, tokens: Tokens | None) -> Sessions | None:
        """For whoever signs in, with a token or (mode `oidc`) at the provider."""
        if tokens is None and self._access.mode != "oidc":
            return None
        self._keys = _keys(self._access.session.key)
        oidc = self._access.oidc if self._access.mode == oidc_modes.KIND else None
        secure = oidc is not None and oidc.public_url.startswith("https:")
        sessions = Sessions(self._keys, self._access.session.seconds, self._clock, self._addresses, secure=secure)
        if tokens is not None:
            sessions.judge(api_tokens.KIND, tokens.worth)
        self._authenticators.append(sessions)
        return sessions

    def _oidc(self, sessions: Sessions | None) -> OidcMode | None:
        """For whoever brings a JWT of the provider, and whoever signs in there."""
        if self._access.mode != oidc_modes.KIND or self._access.oidc is None or sessions is None:
            return None
        mode = oidc_modes.oidc_mode(self._access.oidc, self._grants, self._keys, self._clock, self._known)
        sessions.judge(oidc_modes.KIND, mode.worth.of_session)
        self._authenticators.append(mode.bearers)
        self._asks(mode.provider)
        return mode

    def _service_accounts(self) -> None:
        """Beside every mode, where they are configured."""
        if self._access.service_accounts is not None:
            bearers, cluster = service_accounts(self._access.service_accounts, self._clock, self._known)
            self._authenticators.append(bearers)
            self._asks(cluster)

    def _asks(self, provider: Provider) -> None:
        self._providers.append(provider)
        self._background.append(provider.run)


def _keys(secret: Any) -> list[str]:  # noqa: ANN401 - a secret of the settings
    """The keys that sign sessions: one a line, the last one signs. A random one where none is configured."""
    if secret is None:
        logger.warning("sessions end with this process, and no other replica takes them: access.session.key is not set")
        return [random_key()]
    try:
        keys = [line.strip() for line in resolve_secret(secret).splitlines() if line.strip()]
    except SecretUnavailableError as error:
        raise SettingsError([Problem("access.session.key", str(error))]) from None
    if any(len(key) < KEY_CHARACTERS for key in keys):
        hint = "openssl rand -hex 32 makes one"
        raise SettingsError([Problem("access.session.key", f"is shorter than {KEY_CHARACTERS} characters", hint)])
    return keys
