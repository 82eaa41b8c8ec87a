"""An e-mail to its text: subject, from, to, copy and date, then the words of its body.

Of alternatives the plain one is taken, unless it says much less than the HTML; then that is.
Forwarded messages are read as part of the text; other attachments are not read, and are no part of
the document.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from email.header import decode_header, make_header
from email.message import Message
from email.policy import compat32
from typing import Final

from ingest.read.html_text import html_text
from ingest.read.plain_text import clean, decode

_HEADERS: Final = ("Subject", "From", "To", "Cc", "Date")
MAX_PARTS: Final = 1000
_SAME: Final = 0.5
"""So much of the words that a reader shows has the plain alternative, if it says the same."""


def mail_text(content: bytes) -> tuple[str, str | None]:
    """Return the text of a mail, and its subject or None."""
    # `compat32` parses without raising on the malformed headers that real mails have.
    message = email.message_from_bytes(content.lstrip(b"\r\n"), policy=compat32)
    subject = _header(message, "Subject")
    return "\n\n".join(part for part in _texts(message) if part), subject or None


def _texts(message: Message) -> Iterator[str]:
    yield _head(message)
    left = MAX_PARTS
    pending = [message]
    while pending and left:
        left -= 1
        part = pending.pop()
        if part.get_content_type() == "multipart/alternative":
            pending.extend(_preferred(part))
        elif part.is_multipart():
            pending.extend(reversed(_children(part)))
        else:
            yield _body(part)
        if part.get_content_type() == "message/rfc822" and part.is_multipart():
            yield _head(_children(part)[0])


def _head(message: Message) -> str:
    lines = ((name, _header(message, name)) for name in _HEADERS)
    return "\n".join(f"{name}: {value}" for name, value in lines if value)


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return (
        [child for child in payload if isinstance(child, Message)]
        if isinstance(payload, list)
        else []
    )


def _preferred(part: Message) -> list[Message]:
    """Return the plain alternative if it says what the last one says, which a reader shows.

    A line such as "this mail needs a program that shows HTML" is no alternative.
    """
    children = _children(part)
    plain = [child for child in children if child.get_content_type() == "text/plain"]
    shown = _words(children[-1]) if children else []
    return [child for child in plain if _stands_for(_words(child), shown)][:1] or children[-1:]


def _stands_for(plain: list[str], shown: list[str]) -> bool:
    if not plain:
        return False
    known = set(plain)
    covered = sum(word in known for word in shown)
    return covered >= _SAME * len(shown) or len(plain) > len(shown)


def _words(part: Message) -> list[str]:
    """Return the words of a part and of those within it."""
    within = [word for child in _children(part) for word in _words(child)]
    return within or _body(part).split()


def _body(part: Message) -> str:
    kind = part.get_content_type()
    if kind not in {"text/plain", "text/html"} or part.get_content_disposition() == "attachment":
        return ""
    payload = part.get_payload(decode=True)
    raw = payload if isinstance(payload, bytes) else b""
    text = decode(raw, declared=str(part.get_param("charset") or ""))
    return (html_text(text)[0] if kind == "text/html" else text).strip()


def _header(message: Message, name: str) -> str:
    raw = message.get(name)
    if raw is None:
        return ""
    try:
        text = str(make_header(decode_header(str(raw))))
    except (ValueError, LookupError, UnicodeError):
        text = str(raw)
    printable = text.encode("utf-8", "replace").decode("utf-8", "replace")
    return re.sub(r"\s+", " ", clean(printable)).strip()
