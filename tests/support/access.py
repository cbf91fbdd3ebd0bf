"""Who asks, in tests that are about something else."""

from taskscope_api.asked import Scope
from taskscope_api.errors import ApiError
from taskscope_api.principals import Principal, Role


class Seeing:
    """Everybody views these sources alone; with `named`, whoever sends an `Authorization` header, by which they are named."""

    modes = ("token",)

    def __init__(self, *sources: str, named: bool = False) -> None:
        self._sources = frozenset(sources)
        self._named = named

    async def principal(self, scope: Scope) -> Principal | None:
        name = dict(scope["headers"]).get(b"authorization", b"").decode() if self._named else "somebody"
        return Principal(name, Role.VIEWER, self._sources) if name else None

    def turned_away(self, scope: Scope, error: ApiError, asking: Principal | None) -> None:
        """Nobody looks."""

    def holds(self, principal: Principal) -> bool:
        return principal.role is Role.VIEWER
