"""Reads the inert part of a pickle: numbers, texts, bytes and the plain containers, within budgets, and never anything else.

No name is looked up, nothing is called and nothing is built: whatever would need that becomes an `Opaque`, and reading goes
on, so that a datetime beside the progress does not hide it. Opcodes: `pickletools` of the standard library, protocols 0 to 5.

Three things keep the work within its bounds whatever the bytes say. A container that was put into another is no longer
changed (a copy is), so there are no cycles and each has a known depth. Only scalars and short flat tuples are hashed, since
the hash of a tuple of shared tuples takes exponential time. Integers are short.
"""

from collections.abc import Callable

from taskscope_shared.clock import Clock, SystemClock

from taskscope_collector.sources.rq.inert_machine import Budget, InertPickleError, Machine, Opaque, Stop
from taskscope_collector.sources.rq.inert_opcodes import OPERATIONS

__all__ = ["Budget", "InertPickleError", "Opaque", "first_text", "load"]

_CLOCK = SystemClock()


def load(data: bytes, budget: Budget | None = None, clock: Clock = _CLOCK) -> object:
    """The value of a pickle, with `Opaque` where it is not inert. Raises `InertPickleError` and nothing else."""
    return _run(Machine(data, budget or Budget(), clock), lambda _: False)


def first_text(data: bytes, budget: Budget | None = None, clock: Clock = _CLOCK) -> str | None:
    """The first text of a pickle, which for a job's `data` is its function; what follows may be cut off.

    None if there is none before the end, the cut or the budget.
    """
    machine = Machine(data, budget or Budget(), clock)
    try:
        found = _run(machine, lambda top: isinstance(top, str))
    except InertPickleError:
        return None
    return found if isinstance(found, str) else None


def _run(machine: Machine, enough: Callable[[object], bool]) -> object:
    try:
        while True:
            opcode = machine.take(1)[0]
            operation = OPERATIONS.get(opcode)
            if operation is None:
                raise InertPickleError(f"no opcode {opcode:#04x}")
            operation(machine)
            machine.spend()
            if machine.stack and enough(machine.stack[-1]):
                return machine.stack[-1]
    except Stop:
        return machine.placed(machine.pop())
