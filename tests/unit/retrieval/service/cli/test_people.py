from __future__ import annotations

from pathlib import Path

import pytest

from acl.labels import LabelSchema
from retrieval.service.cli.identity.people import person_named, read_people
from retrieval.service.settings import SettingsError

ROOT = Path(__file__).parents[5]
SCHEMA = LabelSchema.from_toml((ROOT / "policy" / "labels.toml").read_text())


def test_the_people_of_the_example_company() -> None:
    people = read_people(ROOT / "examples" / "company" / "people.toml", SCHEMA)
    ada = person_named(people, "ada")
    assert ada is person_named(people, "user:ada")
    assert (ada.name, ada.subject.tenant, ada.subject.clearance) == (
        "Ada Lindqvist, CFO",
        "acme",
        3,
    )
    assert ada.subject.groups == {"group:finance"}
    with pytest.raises(SettingsError, match="there is no subject `nobody`; there are user:ada"):
        person_named(people, "nobody")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not readable TOML"),
        ("[people]", "holds something else"),
        ("subjects = 1", "holds something else"),
        ("subjects.a = 1", "has other keys"),
        ('[subjects."user:a"]\nrole = "admin"', "has other keys"),
        ('[subjects."user:a"]\ntenant = "acme"\nname = 1', "`name` is not a text"),
        ('[subjects."user:a"]\ntenant = 1', "`tenant` is not a text"),
        ('[subjects.a]\ntenant = "acme"', "not an identity"),
        ('[subjects."user:a"]\ntenant = "acme"\nclearance = "top"', "not a level"),
        ('[subjects."user:a"]\ntenant = "acme"\ngroups = ["user:b"]', "`user:b` is not a group"),
    ],
)
def test_what_is_no_person(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "people.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_people(path, SCHEMA)


def test_a_file_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no subjects file"):
        read_people(tmp_path / "people.toml", SCHEMA)
