"""The page's types are what the api says of itself: a page that was built fits the api that it is built with."""

import importlib.util
from types import ModuleType
from typing import Any

import pytest
from support.servers import unavailable
from support.source_code import ROOT

OUT_OF_DATE = "services/web/src/contract/{} is not what the api says of itself: run `make contract`, and commit what it writes"


@pytest.fixture(scope="module")
def contract() -> ModuleType:
    spec = importlib.util.spec_from_file_location("contract", ROOT / "services/web/contract.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["rest.ts", "push.ts"])
def test_the_types_of_the_page_are_what_the_api_says(contract: ModuleType, name: str) -> None:
    if not contract.GENERATOR.exists():
        unavailable("nothing here makes types: npm ci in services/web brings it")
    text = contract.typescript(contract.documents()[name])
    assert (contract.FOLDER / name).read_text("utf-8") == text, OUT_OF_DATE.format(name)


def test_what_is_written_is_what_is_looked_at(contract: ModuleType) -> None:
    assert set(contract.documents()) == {path.name for path in contract.FOLDER.iterdir()} == {"rest.ts", "push.ts"}


def test_whoever_reads_an_answer_may_count_on_each_member(contract: ModuleType) -> None:
    chosen, asked = (
        ("Part",),
        {"Problem", "Join", "Filter", "SignIn"},
    )  # some members alone; what is asked; what errors leave out
    for document in contract.documents().values():
        schemas: dict[str, Any] = document["components"]["schemas"]
        answers = {name: each for name, each in schemas.items() if name not in asked and not name.endswith(chosen)}
        assert len(answers) > 10
        loose = {
            name: left
            for name, each in answers.items()
            if "properties" in each and (left := set(each["properties"]) - set(each["required"]))
        }
        assert loose == {}
