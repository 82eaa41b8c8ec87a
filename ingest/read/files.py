"""Reading one file from a place that others can write to.

A link, a pipe or a device is never followed, opened for waiting, or read: what is read is a regular
file of bounded size, and it is read once, so that what was hashed is what was parsed.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ingest.errors import SourceError


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
