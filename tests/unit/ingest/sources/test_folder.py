from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import SourceError
from ingest.read.parsed import MAX_FILE_BYTES
from ingest.sources.folder import SourceFault, SourceFile, read_regular, walk


def put(root: Path, name: str, content: str = "text") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def uris(root: Path) -> list[str]:
    return [found.uri for found in walk(root) if isinstance(found, SourceFile)]


def faults(root: Path, max_bytes: int = MAX_FILE_BYTES) -> dict[str, str]:
    found = walk(root, max_bytes=max_bytes)
    return {one.uri: one.reason for one in found if isinstance(one, SourceFault)}


def test_documents_come_sorted_whatever_the_order_of_writing(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.txt", "c/d/e.txt", "a/B.txt", "a.txt"):
        put(tmp_path, name)

    assert uris(tmp_path) == [
        "file:a/B.txt",
        "file:a/z.txt",
        "file:a.txt",
        "file:b.md",
        "file:c/d/e.txt",
    ]


def test_a_document_is_named_by_its_place_below_the_root(tmp_path: Path) -> None:
    put(tmp_path, "finance/q1.md", "12345")

    (found,) = walk(tmp_path)

    assert isinstance(found, SourceFile)
    assert (found.uri, found.label_path, found.size) == ("file:finance/q1.md", "/finance/q1.md", 5)
    assert found.path == tmp_path.resolve() / "finance/q1.md"


def test_label_files_and_hidden_files_are_no_documents(tmp_path: Path) -> None:
    for name in ("_label.toml", "a.md.label.toml", ".hidden", ".git/config", "a.md"):
        put(tmp_path, name)

    assert uris(tmp_path) == ["file:a.md"]
    assert faults(tmp_path) == {}


def test_one_file_is_a_root_of_its_own(tmp_path: Path) -> None:
    assert uris(put(tmp_path, "deep/one.txt")) == ["file:one.txt"]


def test_a_root_that_is_not_there_is_refused_before_the_first_item(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no folder or file `nowhere`"):
        walk(tmp_path / "nowhere")


def test_links_are_reported_and_never_followed(tmp_path: Path) -> None:
    secret = put(tmp_path, "outside/secret.txt")
    root = tmp_path / "root"
    inside = put(root, "inside.txt")
    (root / "out.txt").symlink_to(secret)
    (root / "outfolder").symlink_to(secret.parent)
    (root / "in.txt").symlink_to(inside)
    (root / "loop").symlink_to("loop")

    assert uris(root) == ["file:inside.txt"]
    found = faults(root)
    assert found["file:out.txt"] == "is a link that leaves the folder"
    assert found["file:outfolder"] == "is a link that leaves the folder"
    assert found["file:in.txt"] == "is a link whose target is read at its own place"
    assert found["file:loop"].startswith("is a link")


def test_a_root_reached_through_a_link_is_walked(tmp_path: Path) -> None:
    put(tmp_path, "real/a.txt")
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert uris(tmp_path / "link") == ["file:a.txt"]


def test_a_file_that_is_too_large_is_a_fault(tmp_path: Path) -> None:
    put(tmp_path, "big.txt", "x" * 11)
    put(tmp_path, "fits.txt", "x" * 10)

    assert faults(tmp_path, max_bytes=10) == {"file:big.txt": "is larger than 10 bytes"}


def test_pipes_and_sockets_are_faults(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert faults(tmp_path) == {"file:pipe": "is not a regular file"}


def test_a_name_that_could_forge_a_line_is_a_fault_and_is_escaped(tmp_path: Path) -> None:
    put(tmp_path, "a\nb.txt")
    (tmp_path / os.fsdecode(b"\xff.txt")).write_text("x")

    found = faults(tmp_path)

    assert set(found) == {"file:a\\nb.txt", "file:\\udcff.txt"}
    assert all(reason.startswith("has a name that") for reason in found.values())


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder 1,200 deep, and take it down level by level: removers recurse."""
    at = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    yield tmp_path
    for _ in range(1200):
        above = os.open("..", os.O_RDONLY, dir_fd=at)
        os.close(at)
        os.rmdir("d", dir_fd=above)
        at = above
    os.close(at)


def test_a_folder_deeper_than_pythons_recursion_is_walked(deep: Path) -> None:
    put(deep, "z.txt")

    assert uris(deep) == ["file:z.txt"]


def test_a_folder_that_vanishes_while_it_is_walked_is_a_fault(tmp_path: Path) -> None:
    put(tmp_path, "a.txt")
    put(tmp_path, "b/c.txt")
    put(tmp_path, "d.txt")
    put(tmp_path, "e.txt")
    walking = walk(tmp_path)
    assert next(walking).uri == "file:a.txt"
    (tmp_path / "b/c.txt").unlink()
    (tmp_path / "b").rmdir()
    (tmp_path / "d.txt").unlink()

    rest = list(walking)

    assert [(found.uri, isinstance(found, SourceFault)) for found in rest] == [
        ("file:b", True),
        ("file:d.txt", True),
        ("file:e.txt", False),
    ]
    assert rest[0].reason == "cannot be listed: no such file or directory"  # type: ignore[union-attr]


def test_reading_refuses_what_is_no_regular_file(tmp_path: Path) -> None:
    put(tmp_path, "a.txt", "12345")
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    os.mkfifo(tmp_path / "pipe")

    assert read_regular(tmp_path / "a.txt", limit=5) == b"12345"
    with pytest.raises(SourceError, match="is larger than 4 bytes"):
        read_regular(tmp_path / "a.txt", limit=4)
    with pytest.raises(SourceError, match="cannot be opened"):
        read_regular(tmp_path / "link", limit=5)
    with pytest.raises(SourceError, match="is not a regular file"):
        read_regular(tmp_path / "pipe", limit=5)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none", limit=5)


def test_reading_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
        with pytest.raises(SourceError, match="cannot be opened"):
            read_regular(tmp_path / "s", limit=5)
