"""Page cursors: where a page ended, sealed, and good for one subject and one list alone.

A cursor is encrypted, because the key at which a page ends may be that of a document which its
subject may not read. It is bound to the subject, to the actors and to the list's name, so that
no subject can continue another's reading.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from acl.subject import Subject

MAX_CURSOR: Final = 8192
_NONCE_BYTES: Final = 12
# A key is filled up to a multiple of this, so that its length tells little.
_BLOCK: Final = 128
_LENGTH_BYTES: Final = 2


class CursorError(ValueError):
    """The cursor was not made here, or not for this subject and list."""


class Cursors:
    """Makes and reads cursors under one secret."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(hashlib.sha256(b"cursor" + secret).digest())

    def seal(self, after: str, subject: Subject, listing: str) -> str:
        """Return the cursor of a page that ended with the key `after`."""
        key = after.encode()
        body = len(key).to_bytes(_LENGTH_BYTES, "big") + key
        body += bytes(-len(body) % _BLOCK)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, body, _bound(subject, listing))
        return base64.urlsafe_b64encode(sealed).decode()

    def open(self, cursor: str, subject: Subject, listing: str) -> str:
        """Return the key behind which the next page begins.

        Raises:
            CursorError: it is not a cursor of this subject and list.
        """
        if len(cursor) > MAX_CURSOR:
            raise CursorError("the cursor is too long")
        try:
            raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
            nonce, sealed = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
            body = self._cipher.decrypt(nonce, sealed, _bound(subject, listing))
        except (binascii.Error, ValueError, InvalidTag):
            raise CursorError("the cursor is altered, or for someone else") from None
        length = int.from_bytes(body[:_LENGTH_BYTES], "big")
        return body[_LENGTH_BYTES : _LENGTH_BYTES + length].decode()


def _bound(subject: Subject, listing: str) -> bytes:
    # JSON keeps the parts apart, whatever they hold.
    names = [one.id for one in (subject, *subject.actors)]
    return json.dumps([listing, subject.tenant, names]).encode()
