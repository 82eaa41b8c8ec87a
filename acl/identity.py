"""The name that a provider gives to a person or a group, as one principal: escaped, reversibly.

A principal's name is made of `a-z0-9._@-`, begins with a letter or digit, and has at most 191
characters. Providers send blanks, umlauts, `#EXT#`, `/sales/emea`, `auth0|5f7c`.

The laws of this file:

1. A name that is of that form already stays as it is.
2. Every other character becomes `--` and its code point in hexadecimal and `-`: `Sales EMEA` is
   `sales--20-emea`. In front of an escape at the very beginning stands an `x`: `/sales` is
   `x--2f-sales`.
3. Two names never become one: the result always reads back as the name. A name that would read
   back as another one (`a--20-b`, `xn--fa-hia.de`) has its hyphens and a leading `x` escaped too.
4. What is one name in two spellings is folded first: a capital letter becomes its small one, and a
   letter with its accents one character. Nothing else is folded. What only looks alike stays
   apart: the Kelvin sign is no `k`, a Cyrillic a no Latin one, a full-width letter no plain one.
   A provider whose names differ by case alone says so (`exact`); then nothing is folded.
5. A name whose escaped form is too long keeps its beginning, and has `--sha256-` and the digest of
   the whole name behind it. This alone does not read back.
6. An empty name, and one with a control character or half a character, names nobody.
"""

from __future__ import annotations

import hashlib
import re
import sys
import unicodedata
from itertools import groupby
from typing import Final

from acl.errors import IdentityError
from acl.subject import EVERYONE, is_identity

MAX_NAME: Final = 191

_ODD: Final = re.compile(r"[^a-z0-9._@-]|\A[._@-]")
_ODD_OR_READ: Final = re.compile(r"[^a-z0-9._@]|\A[._@x]")
_ESCAPE: Final = re.compile(r"--([0-9a-f]{1,6})-")
_LEADING: Final = re.compile(r"\Ax(?=--[0-9a-f]{1,6}-)")
_CUT_ESCAPE: Final = re.compile(r"-{1,2}[0-9a-f]*\Z")
_DIGEST: Final = re.compile(r"--sha256-[0-9a-f]{64}\Z")
_DIGEST_LENGTH: Final = len("--sha256-") + 64


def principal_of(kind: str, name: str, *, exact: bool = False) -> str:
    """Return the principal of `kind` that stands for what a provider calls `name`.

    Args:
        kind: `user`, `group`, `role`, `service` or `agent`.
        name: as the provider sends it.
        exact: whether names that differ by case are two (law 4).

    Raises:
        IdentityError: the name is empty, holds a control character, or is the name of the group
            that all are in.
    """
    identity = f"{kind}:{escaped_name(name, exact=exact)}"
    if identity == EVERYONE:
        raise IdentityError("is the name of the group that all are in")
    assert is_identity(identity)
    return identity


def escaped_name(name: str, *, exact: bool = False) -> str:
    """Return the name of the accepted form that stands for `name` and for no other name.

    Raises:
        IdentityError: it names nobody (law 6).
    """
    if not name:
        raise IdentityError("is empty")
    if not all(map(_names, name)):
        raise IdentityError("holds a control character")  # law 6
    spelt = name if exact else folded_name(name)
    escaped = _escape(_ODD, spelt)
    if display_name(escaped) != spelt:
        escaped = _escape(_ODD_OR_READ, spelt)  # law 3
    return escaped if len(escaped) <= MAX_NAME else _shortened(escaped, spelt)


def folded_name(name: str) -> str:
    """Return the one spelling of a name (law 4)."""
    small = "".join(map(_small, name))
    runs = groupby(small, key=lambda one: unicodedata.normalize("NFC", one) == one)
    # A character that composing would replace by another one (the Kelvin sign) is left alone.
    return "".join(
        unicodedata.normalize("NFC", "".join(run)) if stays else "".join(run) for stays, run in runs
    )


def display_name(escaped: str) -> str:
    """Return the name that an escaped one stands for, as people know it; the kind may be in front.

    Of a name that was too long this is its beginning and `…`.
    """
    kind, colon, name = escaped.rpartition(":")
    name, cut = _DIGEST.subn("", name)
    shown = _ESCAPE.sub(_character, _LEADING.sub("", name))
    return kind + colon + shown + "…" * cut


def _names(character: str) -> bool:
    """Say whether a name may hold the character (law 6)."""
    return unicodedata.category(character) not in {"Cc", "Cs"}


def _small(character: str) -> str:
    """Return the small letter of an ordinary capital, and anything else as it is."""
    small = character.lower()
    return small if len(small) == 1 and small.upper() == character else character


def _escape(pattern: re.Pattern[str], name: str) -> str:
    escaped = pattern.sub(lambda found: f"--{ord(found[0]):x}-", name)
    return f"x{escaped}" if escaped.startswith("-") else escaped  # law 2


def _character(found: re.Match[str]) -> str:
    point = int(found[1], 16)
    return chr(point) if point <= sys.maxunicode and _names(chr(point)) else found[0]


def _shortened(escaped: str, name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()
    head = _CUT_ESCAPE.sub("", escaped[: MAX_NAME - _DIGEST_LENGTH])
    return f"{head}--sha256-{digest}"  # law 5
