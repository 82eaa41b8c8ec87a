"""What a text can match of what it is compared with; why it cannot, and what its author may mean.

The laws of this file:

1. A text has no fault if somebody could bear it, some tenant be called so, or some document lie
   there, whether or not they do today. In doubt it has none.
2. A hint names something that could match. It is never taken in place of what is written.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Final, assert_never

from acl.admission.columns import HELD, KINDS, Named, Placed, Spelt, Tenanted, Use
from acl.errors import IdentityError
from acl.identity import principal_of
from acl.subject import EVERYONE, is_identity, is_tenant

NO_NAME: Final = "is no name that anybody can have"
NO_TENANT: Final = "is no name that a tenant can have"
NO_PATH: Final = "is no path that a document can have"

_BEGINS: Final = "a name begins with `user:`, `group:`, `role:`, `service:` or `agent:`"
_SIGNS: Final = "a name holds small letters (a to z), digits and `._@-`"
_CLOSE: Final = 0.7
_TAKEN: Final = 1000


def fault(text: str, uses: Iterable[Use], known: Collection[str]) -> str:
    """Return why a text matches nothing that it is compared with, or nothing (law 1).

    Args:
        text: what stands in a column or within an expression.
        uses: everything that it is compared with; it is enough to match one.
        known: names and tenants from which a hint is taken.
    """
    faults = [_fault(text, use, known) for use in _joined(uses)]
    return faults[0] if faults and all(faults) else ""


def nearest(text: str, known: Iterable[str]) -> str:
    """Return the known text that looks most like `text`, or nothing."""
    some = sorted(set(known) - {text})[:_TAKEN]
    return next(iter(get_close_matches(text, some, n=1, cutoff=_CLOSE)), "")


def _joined(uses: Iterable[Use]) -> list[Use]:
    """Return the uses in the order in which they are told, all kinds of names as one."""
    every = set(uses)
    names = [use for use in every if isinstance(use, Named)]
    kinds = frozenset[str]().union(*(use.kinds for use in names))
    joined = [Named(kinds, pattern=any(use.pattern for use in names))] if names else []
    return [*joined, *sorted(every.difference(names), key=repr)]


def _fault(text: str, use: Use, known: Collection[str]) -> str:
    match use:
        case Spelt(said):
            return "" if text == said else f"is not `{said}`"
        case Named():
            return _name_fault(text, use, known)
        case Tenanted():
            return _tenant_fault(text, use, known)
        case Placed(function):
            return path_fault(text, function)
        case _:
            assert_never(use)


def _name_fault(text: str, use: Named, known: Collection[str]) -> str:
    if use.pattern and "*" in text:
        begun = text.partition("*")[0]
        fits = any(f"{kind}:".startswith(begun) for kind in use.kinds)
        return "" if fits or _is_name(f"{begun}a", use) else f"{NO_NAME}: {_why_no_name(begun)}"
    if _is_name(text, use):
        return ""
    if is_identity(text):
        return f"can match nothing here, where only {_listed(use.kinds)} are compared"
    meant = _spelling(text, use.kinds, known)
    return f"{NO_NAME}: {_why_no_name(text)}{meant and f'; did you mean {meant}?'}"


def _is_name(text: str, use: Named) -> bool:
    return is_identity(text) and text.partition(":")[0] in use.kinds


def _listed(kinds: Iterable[str]) -> str:
    names = [f"{kind}s" for kind in KINDS if kind in set(kinds)]
    return " and ".join(names)


def _why_no_name(text: str) -> str:
    if "#" in text:
        return "what follows `#` is part of it; a remark stands on a line of its own"
    if text.startswith("/"):
        return "it is a path; are the columns in another order?"
    if "*" in text:
        return f"a star is no wildcard here; everybody is `{EVERYONE}`"
    kind, colon, name = text.partition(":")
    if not colon or kind not in KINDS:
        return _BEGINS
    strange = next((one for one in name.lower() if not is_identity(f"user:a{one}")), "")
    if not strange:
        return _SIGNS
    return f"`{strange}` is {unicodedata.name(strange, 'a sign').lower()}; {_SIGNS}"


def _spelling(text: str, kinds: Collection[str], known: Collection[str]) -> str:
    """Return the name that is meant, in backticks, or nothing (law 2)."""
    plain = text.partition("#")[0].strip().lower()
    kind, colon, name = plain.partition(":")
    if not colon:
        named = [one for one in sorted(known) if one.partition(":")[2] == plain]
        several = named or [f"{one}:{plain}" for one in ("user", "group", "role") if one in kinds]
        return " or ".join(f"`{one}`" for one in several if is_identity(one))
    (likely,) = get_close_matches(kind.strip(), KINDS, n=1, cutoff=_CLOSE) or [kind]
    if not name.strip():
        return ""
    spelt = f"{likely}:{name.strip()}"
    found = spelt if is_identity(spelt) else nearest(plain, filter(is_identity, known))
    found = found or _escaped(likely, name.strip())
    return f"`{found}`" if found else ""


def _escaped(kind: str, name: str) -> str:
    """Return the principal that stands for a provider's name, or nothing."""
    if kind not in KINDS:
        return ""
    try:
        return principal_of(kind, name)
    except IdentityError:
        return ""


def _tenant_fault(text: str, use: Tenanted, known: Collection[str]) -> str:
    if use.pattern and "*" in text:
        begun = text.partition("*")[0]
        return "" if not begun or is_tenant(f"{begun}a") else f"{NO_TENANT}{_why_no_tenant(text)}"
    if is_tenant(text):
        return ""
    plain = text.partition("#")[0].strip().lower()
    found = plain if is_tenant(plain) else nearest(plain, filter(is_tenant, known))
    return f"{NO_TENANT}{_why_no_tenant(text)}{found and f'; did you mean `{found}`?'}"


def _why_no_tenant(text: str) -> str:
    if text.startswith("/"):
        return ": it is a path; are the columns in another order?"
    if is_identity(text):
        return ": it names somebody; are the columns in another order?"
    if "*" in text:
        return ": a star is no wildcard here; write one line for each tenant"
    return ": small letters (a to z), digits, `.` and `-`"


def path_fault(pattern: str, function: str = "") -> str:
    """Return why no path of a document matches, or nothing.

    Args:
        pattern: what the path is compared with.
        function: by which function of Casbin, or nothing where it is compared as a whole.
    """
    star = bool(function) and "*" in pattern
    begun = pattern.partition("*")[0] if star else pattern
    if not begun:
        return "" if star else f"{NO_PATH}: it is empty"
    if not begun.startswith("/"):
        return f"{NO_PATH}: {_why_no_path(pattern)}"
    segments = begun.split("/")[1:]
    if "" in segments[:-1]:
        return f"{NO_PATH}: it holds an empty segment (`//`)"
    if {".", ".."} & set(segments[:-1] if star else segments):
        return f"{NO_PATH}: no path holds a segment `.` or `..`"
    if not segments[-1] and not star:
        return f"{NO_PATH}: it ends with `/`; for what lies below it, write `{pattern}*`"
    return ""


def _why_no_path(pattern: str) -> str:
    scheme, colons, address = pattern.partition("://")
    if colons and scheme.isalpha():
        return f"an address is written without `{scheme}://` and begins with `/`: `/{address}`"
    if is_tenant(pattern) or is_identity(pattern):
        return "a path begins with `/`; are the columns in another order?"
    return f"a path begins with `/`: `/{pattern.lstrip('./')}`"


def role_fault(text: str) -> str:
    """Return why a name can be given to nobody, or nothing."""
    if not is_identity(text) or text.partition(":")[0] in HELD:
        return ""
    return (
        f"is a {text.partition(':')[0]}, not a role: first stands who gets the role, then the role"
    )
