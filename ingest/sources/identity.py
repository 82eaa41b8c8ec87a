"""Which file is which document, when files were renamed or moved.

The laws of this file:

1. A file that kept its bytes and lost its name in the same run keeps its document, if exactly one
   document and exactly one file can be meant: by the bytes alone, or by the bytes and the last part
   of the name where whole folders moved.
2. Where several can be meant nothing is merged. The file waits in quarantine, and the reason names
   the documents that it may be: it must not become readable by losing their labels.
3. A file whose bytes no vanished document had is a new document.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True)
class Renames:
    """What became of the names of a source.

    Attributes:
        moved: new name to old name.
        unclear: new name to the old names that it may be.
    """

    moved: Mapping[str, str]
    unclear: Mapping[str, tuple[str, ...]]


def renames(gone: Mapping[str, str], new: Mapping[str, str]) -> Renames:
    """Pair names that went with names that came.

    Args:
        gone: names that the source no longer has, to the digest of their content.
        new: names that it did not have before, to the digest of their content.
    """
    moved: dict[str, str] = {}
    unclear: dict[str, tuple[str, ...]] = {}
    lost, came = _by_digest(gone), _by_digest(new)
    for digest in sorted(lost.keys() & came.keys()):
        old, fresh = set(lost[digest]), set(came[digest])
        pairs = _alone(old, fresh) or _same_last_part(old, fresh)
        # What is left after whole folders were paired may be one pair again.
        pairs |= _alone(old - set(pairs.values()), fresh - pairs.keys())
        moved |= pairs  # law 1
        left = tuple(sorted(old - set(pairs.values())))
        if left:
            unclear |= dict.fromkeys(sorted(fresh - pairs.keys()), left)  # law 2
    return Renames(moved, unclear)


def _by_digest(names: Mapping[str, str]) -> dict[str, list[str]]:
    grouped: defaultdict[str, list[str]] = defaultdict(list)
    for name, digest in names.items():
        grouped[digest].append(name)
    return grouped


def _alone(old: set[str], fresh: set[str]) -> dict[str, str]:
    return dict(zip(fresh, old, strict=True)) if len(old) == len(fresh) == 1 else {}


def _same_last_part(old: set[str], fresh: set[str]) -> dict[str, str]:
    before, after = _by_last_part(old), _by_last_part(fresh)
    return {
        after[part][0]: before[part][0]
        for part in before.keys() & after.keys()
        if len(before[part]) == len(after[part]) == 1
    }


def _by_last_part(names: Iterable[str]) -> dict[str, list[str]]:
    grouped: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        grouped[PurePosixPath(name).name].append(name)
    return grouped
