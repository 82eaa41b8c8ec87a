"""Page cursors: where a page ended, signed, and good for one subject and one list alone.

A cursor holds the last key of a page that its subject has already seen. It is bound to the subject,
to the actors and to the list's name, so that nobody can continue another's reading, and it says
nothing of what was skipped.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Final

from acl.subject import Subject

MAX_CURSOR: Final = 4096
_SEAL_BYTES: Final = 32


class CursorError(ValueError):
    """The cursor was not made here, or not for this subject and list."""


class Cursors:
    """Makes and reads cursors under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, after: str, subject: Subject, listing: str) -> str:
        """Return the cursor of a page that ended with the key `after`."""
        body = after.encode()
        return base64.urlsafe_b64encode(self._mac(body, subject, listing) + body).decode()

    def open(self, cursor: str, subject: Subject, listing: str) -> str:
        """Return the key behind which the next page begins.

        Raises:
            CursorError: it is not a cursor of this subject and list.
        """
        if len(cursor) > MAX_CURSOR:
            raise CursorError("the cursor is too long")
        try:
            raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise CursorError("the cursor is not one") from None
        mac, body = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body, subject, listing)):
            raise CursorError("the cursor is for someone else, or altered")
        return body.decode()

    def _mac(self, body: bytes, subject: Subject, listing: str) -> bytes:
        # JSON keeps the parts apart, whatever they hold.
        names = [one.id for one in (subject, *subject.actors)]
        bound = json.dumps([listing, subject.tenant, names, body.decode(errors="surrogateescape")])
        return hmac.new(self._key, bound.encode(), hashlib.sha256).digest()
