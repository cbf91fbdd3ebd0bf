"""Reads the inert part of a pickle: numbers, texts, bytes and the plain containers, within budgets, and never anything else.

No name is looked up, nothing is called and nothing is built: whatever would need that becomes an `Opaque`, and reading goes
on, so that a datetime beside the progress does not hide it. Opcodes: `pickletools` of the standard library, protocols 0 to 5.

Three things keep the work within its bounds whatever the bytes say. A container that was put into another is no longer
changed (a copy is), so there are no cycles and each has a known depth. Only scalars and short flat tuples are hashed, since
the hash of a tuple of shared tuples takes exponential time. Integers are short.
"""

from taskscope_shared.clock import Clock, SystemClock

from taskscope_collector.sources.rq.inert_machine import Budget, InertPickleError, Machine, Opaque, Stop
from taskscope_collector.sources.rq.inert_opcodes import OPERATIONS

__all__ = ["Budget", "InertPickleError", "Opaque", "first_text", "load"]

_CLOCK = SystemClock()


def load(data: bytes, budget: Budget | None = None, clock: Clock = _CLOCK) -> object:
    """The value of a pickle, with `Opaque` where it is not inert. Raises `InertPickleError` and nothing else."""
    return _run(Machine(data, budget or Budget(), clock), to_text=False)


def first_text(data: bytes, budget: Budget | None = None, clock: Clock = _CLOCK) -> str | None:
    """The first text of a pickle, which for a job's `data` is its function; what follows may be cut off.

    None if there is none before the end, the cut or the budget.
    """
    try:
        found = _run(Machine(data, budget or Budget(), clock), to_text=True)
    except InertPickleError:
        return None
    return found if isinstance(found, str) else None


def _run(machine: Machine, *, to_text: bool) -> object:
    data, operations, spend = machine.data, OPERATIONS, machine.spend
    try:
        while True:
            operation = operations.get(data[machine.at])
            if operation is None:
                raise InertPickleError(f"no opcode {data[machine.at]:#04x}")
            machine.at += 1
            operation(machine)
            spend()
            if to_text and machine.stack and isinstance(machine.stack[-1], str):
                return machine.stack[-1]
    except Stop:
        return machine.placed(machine.pop())
    except IndexError:
        # `take` and `pop` look before they do, so it is the end of `data` without a STOP.
        raise InertPickleError("it ends too early, or is longer than the budget") from None
