"""Small changes of a policy: some rules added, some removed, everything else to the letter.

Comments, order and every other line stay as they are, so that what was written for people is not
lost, and what was not changed cannot change.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from acl.errors import AclError, PolicyError, Refusal
from acl.language.casbin_adapter import Row
from acl.policy.admission import POLICY_FILE, read_csv
from acl.policy.policy import MODEL_FILE
from acl.records import RevisionTexts

_Key = tuple[str, tuple[str, ...]]


class UnchangedError(AclError):
    """What is proposed is what is in effect already."""

    def __init__(self) -> None:
        super().__init__("the proposal changes nothing")


@dataclass(frozen=True, slots=True)
class Difference:
    """What one policy says and another does not.

    Attributes:
        added: rows of the second that the first lacks, as they stand.
        removed: rows of the first that the second lacks.
        model_changed: whether the model differs.
        text: both texts compared line by line, as `diff -u` writes it.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    model_changed: bool
    text: str


def changed(rules: str, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> str:
    """Return the rules with some lines removed, and others added at the end.

    Raises:
        PolicyError: a line to remove is not there, or a line is not one row.
    """
    unwanted = {
        _key(_row(line, f"removed line {number}")): line
        for number, line in enumerate(remove, start=1)
    }
    added = [_checked(line, f"added line {number}") for number, line in enumerate(add, start=1)]
    kept, found = list[str](), set[_Key]()
    for line in rules.split("\n"):
        rows = read_csv(line)
        key = _key(rows[0]) if rows else None
        if key is not None and key in unwanted:
            found.add(key)
            continue
        kept.append(line)
    missing = [line for key, line in unwanted.items() if key not in found]
    if missing:
        reason = "is not a rule of the policy in effect"
        raise PolicyError(tuple(Refusal(POLICY_FILE, one[:80], reason) for one in missing))
    while kept and not kept[-1].strip():
        kept.pop()
    return "\n".join([*kept, *added]) + "\n"


def difference(before: RevisionTexts, after: RevisionTexts) -> Difference:
    """Return what differs between two revisions.

    Raises:
        PolicyError: a text is not comma-separated rows.
    """
    old, new = read_csv(before.rules), read_csv(after.rules)
    return Difference(
        added=_beyond(new, old),
        removed=_beyond(old, new),
        model_changed=before.model != after.model,
        text="".join(
            (
                *_compared(before.model, after.model, MODEL_FILE),
                *_compared(before.rules, after.rules, POLICY_FILE),
            )
        ),
    )


def as_line(row: Row) -> str:
    """Return a row as it can stand in policy.csv."""
    return ", ".join((row.kind, *map(_quoted, row.values)))


def _quoted(value: str) -> str:
    if any(one in value for one in ',"#') or value != value.strip():
        return '"' + value.replace('"', '""') + '"'
    return value


def _beyond(rows: Iterable[Row], others: Iterable[Row]) -> tuple[str, ...]:
    known = {_key(one) for one in others}
    return tuple(as_line(one) for one in rows if _key(one) not in known)


def _compared(before: str, after: str, name: str) -> Iterable[str]:
    lines = difflib.unified_diff(
        before.split("\n"), after.split("\n"), f"a/{name}", f"b/{name}", lineterm=""
    )
    return (f"{line}\n" for line in lines)


def _checked(line: str, where: str) -> str:
    _row(line, where)
    return line


def _row(line: str, where: str) -> Row:
    """Return the row that a line is; `where` tells whoever sent it which one is meant."""
    if "\n" in line or "\r" in line:
        raise PolicyError((Refusal(where, "row", "a row is one line"),))
    try:
        rows = read_csv(line)
    except PolicyError as error:
        raise PolicyError(tuple(replace(one, where=where) for one in error.refusals)) from None
    if len(rows) != 1:
        raise PolicyError((Refusal(where, line[:80], "is not a row"),))
    return rows[0]


def _key(row: Row) -> _Key:
    return row.kind, row.values
