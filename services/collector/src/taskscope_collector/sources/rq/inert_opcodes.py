"""What each opcode of a pickle does here: those that make plain values do so, all others leave an `Opaque`."""

import struct
from collections.abc import Callable

from taskscope_collector.sources.rq.inert_machine import NAME_LENGTH, InertPickleError, Machine, Node, Opaque, Stop

_INT_BYTES = 255
_DIGITS = 600
_PROTOCOL = 5

Operation = Callable[[Machine], object]


def _stop(_: Machine) -> None:
    raise Stop


def _proto(machine: Machine) -> None:
    version = machine.number(1)
    if version > _PROTOCOL:
        raise InertPickleError(f"no pickle protocol {version}")


def _skip(count: int) -> Operation:
    def skip(machine: Machine) -> None:
        machine.take(count)

    return skip


def _mark(machine: Machine) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _dup(machine: Machine) -> None:
    machine.push(machine.top())


def _constant(value: object) -> Operation:
    return lambda machine: machine.push(value)


def _integer(width: int, *, signed: bool = False) -> Operation:
    return lambda machine: machine.push(machine.number(width, signed=signed))


def _long(width: int) -> Operation:
    def long(machine: Machine) -> None:
        digits = machine.take(machine.number(width, signed=width > 1))
        machine.push(int.from_bytes(digits, "little", signed=True) if len(digits) <= _INT_BYTES else Opaque("int"))

    return long


def _int_line(machine: Machine) -> None:
    text = machine.line()
    if text in (b"00", b"01"):
        machine.push(text == b"01")
        return
    machine.push(_parsed(int, text.removesuffix(b"L") or b"0"))


def _float_line(machine: Machine) -> None:
    machine.push(_parsed(float, machine.line()))


def _parsed(kind: Callable[[bytes], object], text: bytes) -> object:
    if len(text) > _DIGITS:
        return Opaque("number")
    try:
        return kind(text)
    except ValueError:
        raise InertPickleError("not a number") from None


def _float(machine: Machine) -> None:
    machine.push(struct.unpack(">d", machine.take(8))[0])


def _text(width: int, *, signed: bool = False) -> Operation:
    # Half a surrogate pair, which pickle lets through, could not be encoded again by anybody downstream.
    return lambda machine: machine.push(machine.take(machine.number(width, signed=signed)).decode("utf-8", "replace"))


def _short_text(machine: Machine) -> None:
    """SHORT_BINUNICODE, half of what a usual pickle is made of: without the calls of `_text(1)`."""
    start = machine.at + 1
    end = start + machine.number(1)
    if end > len(machine.data):
        raise InertPickleError("a text does not end")
    machine.at = end
    machine.stack.append(machine.data[start:end].decode("utf-8", "replace"))


def _memoize(machine: Machine) -> None:
    """MEMOIZE, the other half."""
    if not machine.stack:
        raise InertPickleError("the stack is empty")
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _text_line(machine: Machine) -> None:
    try:
        text = machine.line().decode("raw-unicode-escape")
    except UnicodeDecodeError:
        raise InertPickleError("not a text") from None
    machine.push(text.encode("utf-8", "replace").decode())


def _quoted_line(machine: Machine) -> None:
    line = machine.line()
    plain = len(line) > 1 and line[:1] == line[-1:] and b"\\" not in line
    machine.push(line[1:-1].decode("utf-8", "replace") if plain else Opaque("str"))


def _bytes(width: int) -> Operation:
    return lambda machine: machine.push(machine.take(machine.number(width)))


def _container(kind: type[list[object]] | type[dict[object, object]] | type[set[object]]) -> Operation:
    return lambda machine: machine.push(Node(kind()))


def _marked(kind: type[list[object]] | type[dict[object, object]]) -> Operation:
    def build(machine: Machine) -> None:
        items = machine.pop_mark()
        machine.push(Node(kind()))
        (machine.extend if kind is list else machine.update)(items)

    return build


def _frozenset(machine: Machine) -> None:
    node = Node(frozenset())
    node.value = frozenset([machine.key(item, node) for item in machine.pop_mark()])
    machine.push(node)


def _tuple(count: int) -> Operation:
    return lambda machine: machine.tuple_of([machine.pop() for _ in range(count)][::-1])


def _setitem(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.update([key, value])


def _put(read: Callable[[Machine], int]) -> Operation:
    def put(machine: Machine) -> None:
        machine.memo[read(machine)] = machine.top()

    return put


def _get(read: Callable[[Machine], int]) -> Operation:
    def get(machine: Machine) -> None:
        index = read(machine)
        if index not in machine.memo:
            raise InertPickleError("nothing was remembered there")
        machine.push(machine.memo[index])

    return get


def _index_line(machine: Machine) -> int:
    index = _parsed(int, machine.line())
    if not isinstance(index, int) or index < 0:
        raise InertPickleError("not an index")
    return index


def _global(machine: Machine) -> None:
    module, name = machine.line(), machine.line()
    machine.push(Opaque((module[:NAME_LENGTH] + b"." + name[:NAME_LENGTH]).decode("utf-8", "replace")))


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    known = isinstance(name, str) and isinstance(module, str)
    machine.push(Opaque(f"{module[:NAME_LENGTH]}.{name[:NAME_LENGTH]}" if known else "object"))  # type: ignore[index]


def _inert(popped: int) -> Operation:
    """Something would be called with `popped` - 1 arguments."""

    def stay_inert(machine: Machine) -> None:
        items = [machine.pop() for _ in range(popped)]
        called = items[-1]
        machine.push(Opaque(called.name if isinstance(called, Opaque) else "object"))

    return stay_inert


def _build(machine: Machine) -> None:
    machine.pop()
    built = machine.pop()
    machine.push(built if isinstance(built, Opaque) else Opaque("object"))


def _inst(machine: Machine) -> None:
    machine.pop_mark()
    _global(machine)


def _obj(machine: Machine) -> None:
    items = machine.pop_mark()
    machine.push(items[0] if items and isinstance(items[0], Opaque) else Opaque("object"))


def _opaque(width: int, name: str) -> Operation:
    def skip(machine: Machine) -> None:
        machine.take(width)
        machine.push(Opaque(name))

    return skip


def _persid(machine: Machine) -> None:
    machine.line()
    machine.push(Opaque("persistent"))


def _binpersid(machine: Machine) -> None:
    machine.pop()
    machine.push(Opaque("persistent"))


def _nothing(_: Machine) -> None:
    return


OPERATIONS: dict[int, Operation] = {
    ord("."): _stop,
    0x80: _proto,
    0x95: _skip(8),  # FRAME
    ord("("): _mark,
    ord("0"): _pop,
    ord("1"): lambda machine: machine.pop_mark(),
    ord("2"): _dup,
    ord("N"): _constant(None),
    0x88: _constant(value=True),
    0x89: _constant(value=False),
    ord("K"): _integer(1),
    ord("M"): _integer(2),
    ord("J"): _integer(4, signed=True),
    0x8A: _long(1),
    0x8B: _long(4),
    ord("I"): _int_line,
    ord("L"): _int_line,
    ord("F"): _float_line,
    ord("G"): _float,
    ord("S"): _quoted_line,
    ord("T"): _text(4, signed=True),
    ord("U"): _text(1),
    ord("V"): _text_line,
    ord("X"): _text(4),
    0x8C: _short_text,
    0x8D: _text(8),
    ord("B"): _bytes(4),
    ord("C"): _bytes(1),
    0x8E: _bytes(8),
    0x96: _bytes(8),  # BYTEARRAY8
    ord("]"): _container(list),
    ord("}"): _container(dict),
    0x8F: _container(set),
    ord(")"): _tuple(0),
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("t"): lambda machine: machine.tuple_of(machine.pop_mark()),
    ord("l"): _marked(list),
    ord("d"): _marked(dict),
    0x91: _frozenset,
    ord("a"): lambda machine: machine.extend([machine.pop()]),
    ord("e"): lambda machine: machine.extend(machine.pop_mark()),
    ord("s"): _setitem,
    ord("u"): lambda machine: machine.update(machine.pop_mark()),
    0x90: lambda machine: machine.add(machine.pop_mark()),
    ord("p"): _put(_index_line),
    ord("q"): _put(lambda machine: machine.number(1)),
    ord("r"): _put(lambda machine: machine.number(4)),
    0x94: _memoize,
    ord("g"): _get(_index_line),
    ord("h"): _get(lambda machine: machine.number(1)),
    ord("j"): _get(lambda machine: machine.number(4)),
    ord("c"): _global,
    0x93: _stack_global,
    ord("R"): _inert(2),
    0x81: _inert(2),  # NEWOBJ
    0x92: _inert(3),  # NEWOBJ_EX
    ord("b"): _build,
    ord("i"): _inst,
    ord("o"): _obj,
    ord("P"): _persid,
    ord("Q"): _binpersid,
    0x82: _opaque(1, "extension"),
    0x83: _opaque(2, "extension"),
    0x84: _opaque(4, "extension"),
    0x97: _opaque(0, "buffer"),
    0x98: _nothing,  # READONLY_BUFFER
}
