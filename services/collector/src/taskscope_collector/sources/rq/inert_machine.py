"""The machine that `inert_opcodes` drives: a stack, a memo, and budgets that hold whatever the bytes say."""

from dataclasses import dataclass

from taskscope_shared.clock import Clock

_CHECK_EVERY = 256
"""Objects between two looks at the clock."""
_KEY_LENGTH = 16
"""Elements of a tuple or frozenset that may be a key."""
NAME_LENGTH = 100


class InertPickleError(ValueError):
    """Not a pickle, cut short, or beyond the budget."""


@dataclass(frozen=True)
class Budget:
    """How much a payload may cost: bytes read, objects made or referred to, levels of containers, seconds."""

    bytes: int = 65_536
    objects: int = 20_000
    depth: int = 32
    seconds: float = 0.05


class Opaque:
    """Something that only running code could make; `name` is what it calls itself, not to be believed."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name[:NAME_LENGTH]

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Node:
    """A container on the stack: its value, its levels, and whether it is part of another, and so no longer changed."""

    __slots__ = ("depth", "placed", "value")

    def __init__(
        self, value: "list[object] | dict[object, object] | set[object] | tuple[object, ...] | frozenset[object]"
    ) -> None:
        self.value = value
        self.depth = 1
        self.placed = False


class Stop(Exception):  # noqa: N818 - not an error
    """The STOP opcode."""


class Machine:
    """One reading. Every method that reads or pops raises `InertPickleError` where the pickle is not sound."""

    def __init__(self, data: bytes, budget: Budget, clock: Clock) -> None:
        if len(data) > budget.bytes:
            data = data[: budget.bytes]
        self.data = data
        self.at = 0
        self.budget = budget
        self.clock = clock
        self.deadline = clock.monotonic() + budget.seconds
        self.spent = 0
        self.check_at = min(_CHECK_EVERY, budget.objects + 1)
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}

    # ------------------------------------------------------------------------------------------------ bytes

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self.at + count
        if count < 0 or end > len(self.data):
            raise InertPickleError("it ends too early, or is longer than the budget")
        part = self.data[self.at : end]
        self.at = end
        return part

    def number(self, width: int, *, signed: bool = False) -> int:
        """A little-endian integer of `width` bytes."""
        return int.from_bytes(self.take(width), "little", signed=signed)

    def line(self) -> bytes:
        """Up to the next newline, without it."""
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise InertPickleError("a line does not end")
        part = self.data[self.at : end]
        self.at = end + 1
        return part

    # ------------------------------------------------------------------------------------------------ stack

    def spend(self, count: int = 1) -> None:
        """Count objects, and look at the clock now and then."""
        self.spent += count
        if self.spent < self.check_at:
            return
        if self.spent > self.budget.objects:
            raise InertPickleError(f"more than {self.budget.objects} objects")
        if self.clock.monotonic() > self.deadline:
            raise InertPickleError(f"more than {self.budget.seconds} s")
        self.check_at = min(self.spent + _CHECK_EVERY, self.budget.objects + 1)

    def push(self, item: object) -> None:
        """Put a plain value, an `Opaque` or a `Node` on the stack."""
        self.stack.append(item)

    def pop(self) -> object:
        """Take the top of the stack."""
        if not self.stack:
            raise InertPickleError("the stack is empty")
        return self.stack.pop()

    def top(self) -> object:
        """The top of the stack, left there."""
        if not self.stack:
            raise InertPickleError("the stack is empty")
        return self.stack[-1]

    def pop_mark(self) -> list[object]:
        """Take everything above the last mark, and the mark."""
        if not self.marks:
            raise InertPickleError("there is no mark")
        items = self.stack
        self.stack = self.marks.pop()
        return items

    # ------------------------------------------------------------------------------------------------ containers

    def placed(self, item: object, parent: Node | None = None) -> object:
        """The plain value of `item`, which from now on is part of `parent`."""
        self.spend()
        if not isinstance(item, Node):
            return item
        if item is parent:
            return Opaque("recursion")
        if parent is not None:
            if item.depth >= self.budget.depth:
                return Opaque("too deep")
            parent.depth = max(parent.depth, item.depth + 1)
        item.placed = True
        return item.value

    def key(self, item: object, parent: Node) -> object:
        """What may be hashed: a scalar, or a short tuple or frozenset of scalars."""
        if not isinstance(item, Node):
            return self.placed(item)
        flat = isinstance(item.value, tuple | frozenset) and item.depth == 1 and len(item.value) <= _KEY_LENGTH
        return self.placed(item, parent) if flat else Opaque(type(item.value).__name__)

    def tuple_of(self, items: list[object]) -> None:
        """Push a tuple of `items`."""
        node = Node(())
        node.value = tuple([self.placed(item, node) for item in items])
        self.push(node)

    def extend(self, items: list[object]) -> None:
        """Append `items` to the list on top."""
        node = self.changeable()
        if node is not None and isinstance(node.value, list):
            for item in items:
                node.value.append(self.placed(item, node))

    def add(self, items: list[object]) -> None:
        """Add `items` to the set on top."""
        node = self.changeable()
        if node is not None and isinstance(node.value, set):
            for item in items:
                node.value.add(self.key(item, node))

    def update(self, items: list[object]) -> None:
        """Set keys and values, in turns, in the dict on top."""
        node = self.changeable()
        if len(items) % 2:
            raise InertPickleError("a key without a value")
        if node is not None and isinstance(node.value, dict):
            for index in range(0, len(items), 2):
                key = self.key(items[index], node)
                node.value[key] = self.placed(items[index + 1], node)

    def changeable(self) -> Node | None:
        """The container on top; a copy takes its place if it is part of another already."""
        node = self.top()
        if not isinstance(node, Node):
            return None
        if node.placed and isinstance(node.value, list | dict | set):
            self.spend(len(node.value))
            copy = Node(node.value.copy())
            copy.depth = node.depth
            self.stack[-1] = node = copy
        return node
