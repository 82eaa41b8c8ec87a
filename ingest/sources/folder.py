"""A folder, or one file, as a stream of documents in an order that never changes.

The laws of this file:

1. Nothing outside the root is ever read: no link is followed, whether it names a file or a folder.
   A link that stays inside is reported too, because its target is read at its own place, under the
   label of that place.
2. What cannot be taken is reported as a fault in its place in the stream; nothing stops the walk.
3. A document is named by its path relative to the root, and by nothing of the machine.
4. Files that say labels (`_label.toml`, `NAME.label.toml`) and hidden files are no documents.
5. What is read is a regular file of bounded size; a pipe or a device is never opened for waiting.
   It is read once, so that what was hashed is what was parsed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from acl.labels import normalise
from ingest.errors import SourceError
from ingest.read.parsed import MAX_FILE_BYTES

FOLDER_LABEL: Final = "_label.toml"
SIDECAR_SUFFIX: Final = ".label.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file that may become a document.

    Attributes:
        path: where it lies, free of links at the time of the walk.
        relative: its path below the root.
        size: in bytes, at the time of the walk.
        at: the place in the tenant's tree under which the root stands.
    """

    path: Path
    relative: PurePosixPath
    size: int
    at: PurePosixPath = field(default_factory=PurePosixPath)

    @property
    def uri(self) -> str:
        """The document's name."""
        return uri_of(self.at / self.relative)

    @property
    def label_path(self) -> str:
        """The value of the label attribute `path`."""
        return f"/{self.at / self.relative}"


@dataclass(frozen=True, slots=True)
class SourceFault:
    """Something in the folder that is not taken, and why.

    Attributes:
        uri: its name, with characters that could forge a log line escaped.
        reason: one sentence.
    """

    uri: str
    reason: str


Found: TypeAlias = SourceFile | SourceFault


def uri_of(relative: PurePosixPath) -> str:
    """Return the stable name of the document at `relative` below the root."""
    return f"file:{relative}"  # law 3


def covers(place: str, uri: str) -> bool:
    """Say whether what could not be read at `place` may hold the document of `uri`."""
    # The root itself, when it could not be listed, is named `file:.`.
    return place in {uri, "file:."} or uri.startswith(f"{place}/")


def walk(root: Path, *, at: str = "", max_bytes: int = MAX_FILE_BYTES) -> Iterator[Found]:
    """Yield every document below `root`, or `root` itself when it is a file, sorted by name.

    Args:
        root: a folder, or one file.
        at: the place in the tenant's tree under which the root stands, such as `/archive`.
        max_bytes: what is larger is a fault.

    Raises:
        SourceError: there is no such folder or file. Raised before the first item.
    """
    try:
        top = root.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise SourceError(f"there is no folder or file `{root.name}`") from error
    one = _file(top, PurePosixPath(top.name), max_bytes)
    found = _below(top, max_bytes) if top.is_dir() else iter((one,))
    place = PurePosixPath(at.strip("/"))
    return (_placed(entry, place) for entry in found) if at.strip("/") else found


def _placed(entry: Found, at: PurePosixPath) -> Found:
    if isinstance(entry, SourceFile):
        return replace(entry, at=at)
    name = entry.uri.removeprefix("file:")
    return entry if name == "." else SourceFault(uri_of(at / name), entry.reason)


def _below(top: Path, max_bytes: int) -> Iterator[Found]:
    """Walk with an explicit stack: a folder may be deeper than Python's recursion."""
    stack = [iter(_entries(top, PurePosixPath()))]
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
        elif isinstance(entry, SourceFault):
            yield entry  # law 2
        elif entry.is_folder:
            stack.append(iter(_entries(entry.path, entry.relative)))
        else:
            yield _link(top, entry) if entry.is_link else _regular(entry, max_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    path: Path
    relative: PurePosixPath
    is_folder: bool
    is_link: bool


def _entries(folder: Path, relative: PurePosixPath) -> list[_Entry | SourceFault]:
    try:
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not _passed_over(entry.name)]
    except OSError as error:
        reason = f"cannot be listed: {(error.strerror or 'unknown').lower()}"
        return [SourceFault(_shown(relative), reason)]
    return [_entry(entry, relative) for entry in sorted(entries, key=lambda entry: entry.name)]


def _entry(entry: os.DirEntry[str], above: PurePosixPath) -> _Entry:
    return _Entry(
        path=Path(entry.path),
        relative=above / entry.name,
        is_folder=entry.is_dir(follow_symlinks=False),
        is_link=entry.is_symlink(),
    )


def _passed_over(name: str) -> bool:  # law 4
    return name.startswith(".") or name == FOLDER_LABEL or name.endswith(SIDECAR_SUFFIX)


def _link(top: Path, entry: _Entry) -> SourceFault:
    # `Path.resolve` raises on a link that leads to itself; this does not.
    inside = Path(os.path.realpath(entry.path)).is_relative_to(top)  # law 1
    where = "whose target is read at its own place" if inside else "that leaves the folder"
    return SourceFault(_shown(entry.relative), f"is a link {where}")


def _regular(entry: _Entry, max_bytes: int) -> Found:
    return _file(entry.path, entry.relative, max_bytes)


def _file(path: Path, relative: PurePosixPath, max_bytes: int) -> Found:
    try:
        normalise(f"/{relative}")
    except ValueError as error:
        return SourceFault(_shown(relative), f"has a name that {error}")
    try:
        size = path.lstat().st_size
    except OSError as error:
        reason = f"cannot be read: {(error.strerror or 'unknown').lower()}"
        return SourceFault(uri_of(relative), reason)
    if not path.is_file():
        return SourceFault(uri_of(relative), "is not a regular file")
    if size > max_bytes:
        return SourceFault(uri_of(relative), f"is larger than {max_bytes} bytes")
    return SourceFile(path=path, relative=relative, size=size)


def _shown(relative: PurePosixPath) -> str:
    """Escape what is not printable: the name comes from others and goes into logs."""
    text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(relative))
    return f"file:{text}"


def read_regular(path: Path, *, limit: int) -> bytes:
    """Return the content of the regular file at `path`.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        SourceError: not a regular file, not readable, or longer than `limit` bytes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SourceError(f"cannot be opened: {(error.strerror or 'unknown').lower()}") from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SourceError("is not a regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise SourceError(f"is larger than {limit} bytes")
    return content
