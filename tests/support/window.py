"""A client's side of the push protocol: what it holds after each frame, as docs/architecture.md says."""

from typing import Any


class Window:
    """Tasks, workers and queues by their keys, and what was said last."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}
        self.workers: dict[str, dict[str, Any]] = {}
        self.queues: dict[str, dict[str, Any]] = {}
        self.sources: list[dict[str, Any]] = []
        self.position: str | None = None
        self.total = 0
        self.kinds: list[str] = []

    def apply(self, data: dict[str, Any]) -> None:
        """Take the data of one `task_updates`."""
        self.kinds.append(data["kind"])
        if data["kind"] == "snapshot":
            for held, name in ((self.tasks, "tasks"), (self.workers, "workers"), (self.queues, "queues")):
                held.clear()
                held.update((row["key"], row) for row in data[name])
        else:
            _change(self.tasks, data)
            for held, name in ((self.workers, "workers"), (self.queues, "queues")):
                if data[name] is not None:
                    _change(held, data[name])
        if data["sources"] is not None:
            self.sources = data["sources"]
        self.position, self.total = data["position"], data["total"]


def _change(held: dict[str, dict[str, Any]], change: dict[str, Any]) -> None:
    for key in change.get("remove") or ():
        held.pop(key, None)
    held.update((row["key"], row) for row in change["upsert"])
    if change.get("keys") is not None:
        for key in held.keys() - set(change["keys"]):
            del held[key]
