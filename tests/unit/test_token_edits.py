"""The file of tokens after an edit: whoever could read it can read it still, or an api would not learn who was revoked."""

import os
from pathlib import Path

import pytest
from taskscope.token_edits import NEW_MODE, write


@pytest.fixture
def given_to(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """To whom files are given away, which root alone could do."""
    owners: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fchown", lambda _, user, group: owners.append((user, group)))
    return owners


def test_an_edit_leaves_the_file_to_its_owner_and_its_mode(tmp_path: Path, given_to: list[tuple[int, int]]) -> None:
    file = tmp_path / "tokens.yaml"
    file.write_text("[]\n")
    file.chmod(0o640)
    write(file, "[] # edited\n")
    found = file.stat()
    assert given_to == [(found.st_uid, found.st_gid)]
    assert (file.read_text(), found.st_mode & 0o777) == ("[] # edited\n", 0o640)


def test_a_new_file_is_its_makers_alone(tmp_path: Path, given_to: list[tuple[int, int]]) -> None:
    file = tmp_path / "tokens.yaml"
    write(file, "[]\n")
    assert (given_to, file.stat().st_mode & 0o777) == ([], NEW_MODE)


def test_who_may_not_give_a_file_away_edits_it_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)
    file = tmp_path / "tokens.yaml"
    file.write_text("[]\n")
    write(file, "[] # edited\n")
    assert file.read_text() == "[] # edited\n"
