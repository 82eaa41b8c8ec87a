"""`matching.toml`: which role definitions match names or domains by pattern.

```toml
[g]
names = "keyMatch2"      # a name is matched with the names of links
domains = "keyMatch"     # a domain is matched with the domains of links
```

`model.conf` has no place for it: Casbin is told in code. The file is read strictly: one table for
each role definition, one function of Casbin for each key, and nothing else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Final

from acl.errors import PolicyError, Refusal
from acl.language.casbin_adapter import RoleMatching

MATCHING_FILE: Final = "matching.toml"
_KEYS: Final = ("names", "domains")


def read_matching_file(text: str) -> dict[str, RoleMatching]:
    """Return the matching functions of each role definition that `text` names.

    Raises:
        PolicyError: it is not TOML, or says something else.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError((Refusal(MATCHING_FILE, "file", f"is not TOML: {error}"),)) from None
    refusals = tuple(one for kind, table in tables.items() for one in _refused(text, kind, table))
    if refusals:
        raise PolicyError(refusals)
    return {
        kind: RoleMatching(table.get("names"), table.get("domains"))
        for kind, table in tables.items()
    }


def _refused(text: str, kind: str, table: object) -> Iterator[Refusal]:
    if not isinstance(table, Mapping) or not table:
        yield Refusal(_place(text, kind), kind, "is a table `[g]` with `names`, `domains` or both")
        return
    for key, function in table.items():
        if key not in _KEYS:
            yield Refusal(_place(text, key), key, "is neither `names` nor `domains`")
        elif not isinstance(function, str):
            yield Refusal(_place(text, key), key, "is the name of a function, as a text")


def _place(text: str, word: str) -> str:
    numbered = enumerate(text.splitlines(), start=1)
    line = next((number for number, line in numbered if word in line), 1)
    return f"{MATCHING_FILE} line {line}"
