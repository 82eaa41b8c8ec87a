from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from retrieval.service.secret_files import given_secret, own_file, own_secret
from retrieval.service.settings import SettingsError


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "audit.key"
    first = own_secret(None, path)
    assert len(first) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert own_secret(None, path) == first
    assert [one.name for one in path.parent.iterdir()] == ["audit.key"]


def test_processes_that_start_at_once_share_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(lambda _: own_secret(None, path), range(32)))
    assert len(made) == 1


def test_one_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "audit.key"
    own_secret(None, path)
    path.chmod(0o640)
    with pytest.raises(SettingsError, match=r"`audit\.key` in the data folder is open to others"):
        own_secret(None, path)


def test_one_that_is_given_is_taken(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_bytes(b"x" * 32)
    assert own_secret(given, tmp_path / "other") == b"x" * 32
    given.write_bytes(b"short")
    with pytest.raises(SettingsError, match="fewer than 32 bytes"):
        own_secret(given, tmp_path / "other")
    with pytest.raises(SettingsError, match="`absent` cannot be read"):
        own_secret(tmp_path / "absent", tmp_path / "other")


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"`audit\.key` cannot be written"):
        own_file(None, tmp_path / "file" / "audit.key", lambda: b"")


def test_the_text_of_a_secret_has_no_line_end(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(" secret\n")
    assert given_secret(path) == "secret"
    path.write_text("\n")
    with pytest.raises(SettingsError, match="is empty"):
        given_secret(path)
