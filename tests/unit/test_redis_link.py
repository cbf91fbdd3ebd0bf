import hiredis
from taskscope_shared.redis_link import BIG, Command, pack


def test_parts_are_together_what_goes_over_the_wire() -> None:
    big = b"\x00\r\n$0" * BIG
    commands: list[Command] = [
        ("MULTI",),
        ("XADD", "log", "1-1", "d", big),
        ("PUBLISH", "live", big),
        ("SET", "k", 1),
        ("EXEC",),
    ]
    parts = pack(commands)
    assert b"".join(parts) == b"".join(hiredis.pack_command(command) for command in commands)  # type: ignore[arg-type]
    assert [part for part in parts if part is big] == [big, big]


def test_a_command_that_ends_with_something_big_may_be_the_last_one() -> None:
    assert b"".join(pack([("ECHO", b"x" * BIG)])) == b"*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n" % (BIG, b"x" * BIG)
