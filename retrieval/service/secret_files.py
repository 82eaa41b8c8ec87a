"""Secrets that live in files: read where an operator put them, or made on first start.

The laws of this file:

1. A secret that this program makes is readable by its owner alone, from its first moment on.
2. Of several processes that start at once, all use the same secret: it appears complete, or not.
3. A generated secret that others can read is refused: it may have been read.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

from retrieval.service.settings import SettingsError

SECRET_BYTES: Final = 32
_MAX_BYTES: Final = 64 * 1024


def private_folder(folder: Path) -> Path:
    """Return the folder, made for its owner alone if it is not there.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"the folder `{folder}` cannot be made") from error
    return folder


def given_secret(path: Path) -> str:
    """Return the text of a secret that an operator put into a file, without its line end.

    Raises:
        SettingsError: the file cannot be read, or is empty.
    """
    text = _read(path).decode("utf-8", "replace").strip()
    if not text:
        raise SettingsError(f"the secret file `{path.name}` is empty")
    return text


def own_secret(given: Path | None, default: Path) -> bytes:
    """Return at least 32 bytes: what stands in `given`, or in `default`, which is made if absent.

    Raises:
        SettingsError: the file cannot be read or written, is too short, or open to others.
    """
    return own_file(given, default, lambda: secrets.token_bytes(SECRET_BYTES))


def own_file(given: Path | None, default: Path, make: Callable[[], bytes]) -> bytes:
    """As `own_secret`, with the content that `make` returns.

    Raises:
        SettingsError: as `own_secret`.
    """
    if given is not None:
        return _long_enough(given, _read(given))
    if not default.exists():
        _create(default, make())
    if stat.S_IMODE(default.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"the secret `{default.name}` in the data folder is open to others")
    return _long_enough(default, _read(default))


def _create(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link never replaces: the second process takes what the first one made.
        with contextlib.suppress(FileExistsError):
            os.link(beside, path)
    except OSError as error:
        raise SettingsError(f"the secret `{path.name}` cannot be written") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError as error:
        raise SettingsError(f"the secret file `{path.name}` cannot be read") from error


def _long_enough(path: Path, content: bytes) -> bytes:
    if len(content) < SECRET_BYTES:
        raise SettingsError(f"the secret `{path.name}` has fewer than {SECRET_BYTES} bytes")
    return content
