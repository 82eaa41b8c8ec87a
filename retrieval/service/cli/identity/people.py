"""People that the command line may ask as, read from a TOML file.

```toml
[subjects."user:ada"]
tenant = "acme"
clearance = "restricted"
compartments = ["finance"]
groups = ["group:finance"]
department = "north"  # what `labels.toml` declares under [subject]
name = "Ada, CFO"
```
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from acl.labels import LabelSchema
from acl.subject import Subject
from retrieval.service.http.tokens import ClaimsError, subject_of
from retrieval.service.settings import Settings, SettingsError

_KEYS: Final = frozenset({"tenant", "clearance", "compartments", "groups", "name", "act"})


@dataclass(frozen=True, slots=True)
class Person:
    """One entry: who it is, and the name that is shown."""

    subject: Subject
    name: str


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"`{path}` cannot be read") from error


def read_people(path: Path, schema: LabelSchema) -> dict[str, Person]:
    """Return the people in `path` by their id, in the order of the file.

    Raises:
        SettingsError: the file cannot be read, or an entry is not a subject.
    """
    if not path.exists():
        raise SettingsError(
            f"there is no subjects file `{path}`: write who asks there, in the form of "
            "`examples/company/people.toml`, or set `STRONGROOM_SUBJECTS_FILE`"
        )
    try:
        document = tomllib.loads(read_text(path))
    except ValueError as error:
        raise SettingsError(f"the subjects file `{path}` is not readable TOML") from error
    entries = document.get("subjects", {})
    if set(document) - {"subjects"} or not isinstance(entries, dict):
        raise SettingsError(f"`{path}` holds something else than `[subjects.…]` tables")
    return {name: _person(path, name, entry, schema) for name, entry in entries.items()}


def known_person(settings: Settings, name: str) -> Subject:
    """Return the person called `name` in the settings' file of people.

    Raises:
        SettingsError: there is none, or a file cannot be read.
    """
    people = read_people(settings.people_file, declared_labels(settings))
    return person_named(people, name).subject


def declared_labels(settings: Settings) -> LabelSchema:
    """Return what `labels.toml` declares.

    Raises:
        SettingsError: it cannot be read.
    """
    # Read by itself: what reads the policy as well takes half a second to import.
    return LabelSchema.from_toml(read_text(settings.policy_dir / "labels.toml"))


def person_named(people: Mapping[str, Person], name: str) -> Person:
    """Return the person called `user:ada` or, in short, `ada`.

    Raises:
        SettingsError: there is none; the text lists those that there are.
    """
    found = people.get(name) or people.get(f"user:{name}")
    if found is None:
        known = ", ".join(people) or "none"
        raise SettingsError(f"there is no subject `{name}`; there are {known}")
    return found


def _person(path: Path, name: str, entry: Any, schema: LabelSchema) -> Person:  # noqa: ANN401 - read from TOML
    where, keys = f"`{path.name}`, `{name}`", (*sorted(_KEYS), *schema.subject)
    if not isinstance(entry, dict) or set(entry).difference(keys):
        raise SettingsError(f"{where}: has other keys than {', '.join(keys)}")
    shown = entry.get("name", name)
    if not isinstance(shown, str):
        raise SettingsError(f"{where}: `name` is not a text")
    try:
        return Person(subject_of({**entry, "sub": name}, schema), shown)
    except ClaimsError as error:
        raise SettingsError(f"{where}: {error}") from None
