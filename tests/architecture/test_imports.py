"""Who may import what."""

import importlib.metadata
import re
import sys
import tomllib

import pytest
from support.source_code import PACKAGES, every_module, imports, modules

ALLOWED = {
    "taskscope_shared": set[str](),
    "taskscope_collector": {"taskscope_shared"},
    "taskscope_api": {"taskscope_shared"},
    "taskscope": {"taskscope_shared", "taskscope_collector", "taskscope_api"},
    "taskscope_client": set[str](),
}
OURS = {*PACKAGES, "archive"}
BROKER_LIBRARIES = {"celery", "kombu", "rq", "aiormq", "aio_pika", "pamqp", "amqp"}


def top(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_service_imports_itself_and_the_contract_alone(package: str) -> None:
    found = [
        f"{module.shown}:{line} imports {name}"
        for module in modules(package)
        for name, line in imports(module)
        if top(name) in OURS - ALLOWED[package] - {package}
    ]
    assert found == []


def test_broker_libraries_are_imported_by_sources_alone() -> None:
    found = [
        f"{module.shown}:{line} imports {name}"
        for module in every_module()
        for name, line in imports(module)
        if top(name) in BROKER_LIBRARIES and not module.name.startswith("taskscope_collector.sources.")
    ]
    assert found == []


def test_no_service_imports_the_engines_it_watches() -> None:
    found = [
        f"{module.shown}:{line} imports {name}"
        for module in every_module()
        for name, line in imports(module)
        if top(name) in {"celery", "kombu", "rq"}
    ]
    assert found == [], "a monitor that imports Celery or RQ brings their versions into the user's environment"


def test_engines_know_nothing_of_each_other() -> None:
    found = [
        f"{module.shown}:{line} imports {name}"
        for module in modules("taskscope_collector")
        for name, line in imports(module)
        for mine, other in (("celery", "rq"), ("rq", "celery"))
        if module.name.startswith(f"taskscope_collector.sources.{mine}")
        and name.startswith(f"taskscope_collector.sources.{other}.")
    ]
    assert found == []


def test_the_reducer_does_no_io() -> None:
    forbidden = {"asyncio", "socket", "redis", "hiredis", "threading", "subprocess", "os", "time"}
    found = [
        f"{module.shown}:{line} imports {name}"
        for module in modules("taskscope_collector")
        for name, line in imports(module)
        if module.name.startswith("taskscope_collector.reducer") and top(name) in forbidden
    ]
    assert found == []


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_imported_is_a_declared_dependency(package: str) -> None:
    project = tomllib.loads((PACKAGES[package] / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {_canonical(re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0]) for text in project["dependencies"]}
    distributions = importlib.metadata.packages_distributions()
    found = {
        f"{module.shown}:{line} imports {name}"
        for module in modules(package)
        for name, line in imports(module)
        if top(name) not in sys.stdlib_module_names
        and top(name) != package
        and not (top(name) in OURS and _canonical(top(name)) in declared)  # installed editable: no list of its modules
        and not declared & {_canonical(each) for each in distributions.get(top(name), [])}
    }
    # pydantic_core is a part of pydantic's interface (its errors), in a distribution of its own.
    assert {each for each in found if "pydantic_core" not in each} == set()


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
