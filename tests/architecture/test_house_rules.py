"""Where the environment and the clock are read, and what no module does."""

import ast

from support.source_code import every_module, uses

ENVIRONMENT = {"os.environ", "os.getenv", "os.putenv", "os.environb"}
CLOCK = {
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "date.today",
}
UNSAFE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "yaml.load", "yaml.unsafe_load"}
LINES = 400


def offenders(names: set[str], allowed: set[str]) -> list[str]:
    return [
        f"{module.shown}:{line} uses {name}"
        for module in every_module()
        for name, line in uses(module)
        if name in names and module.name not in allowed
    ]


def test_the_environment_is_read_in_settings_alone() -> None:
    assert offenders(ENVIRONMENT, {"taskscope_shared.settings"}) == []


def test_the_time_is_read_in_clock_alone() -> None:
    assert offenders(CLOCK, {"taskscope_shared.clock"}) == []


def test_nothing_can_unpickle() -> None:
    # settings.py gives yaml.load a SafeLoader of its own
    assert offenders(UNSAFE, {"taskscope_shared.settings"}) == []


def test_nothing_evaluates_text() -> None:
    found = [
        f"{module.shown}:{node.lineno} calls {node.func.id}"
        for module in every_module()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec", "__import__"}
    ]
    assert found == []


def test_no_module_has_state_that_functions_change() -> None:
    found = [
        f"{module.shown}:{node.lineno} declares global {', '.join(node.names)}"
        for module in every_module()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Global)
    ]
    assert found == []


def test_modules_are_short() -> None:
    lengths = {module.shown: len(module.path.read_text("utf-8").splitlines()) for module in every_module()}
    assert {name: length for name, length in lengths.items() if length > LINES} == {}


def test_no_module_is_called_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert [module.shown for module in every_module() if module.name.rpartition(".")[2] in vague] == []
