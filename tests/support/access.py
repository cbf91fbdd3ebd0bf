"""Who asks, in tests that are about something else."""

from taskscope_api.principals import Principal, Role, Scope


class Seeing:
    """Everybody views these sources alone; with `named`, whoever sends an `Authorization` header, by which they are named."""

    def __init__(self, *sources: str, named: bool = False) -> None:
        self._sources = frozenset(sources)
        self._named = named

    async def principal(self, scope: Scope) -> Principal | None:
        name = dict(scope["headers"]).get(b"authorization", b"").decode() if self._named else "somebody"
        return Principal(name, Role.VIEWER, self._sources) if name else None

    def holds(self, principal: Principal) -> bool:
        return principal.role is Role.VIEWER
