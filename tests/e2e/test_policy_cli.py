"""Policies and access on the command line, as an administrator meets them."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import pytest

from tests.commandline import strongroom
from tests.e2e.test_cli import PEOPLE
from tests.serving import FILES

ROOT = Path(__file__).parents[2]
ROW = "p, user:bob, acme, /acme/finance/*, document:read, True, allow"
# Under the policy as it is the whole plan has many pairs.
FEW = "p, group:everyone, *, /*, document:read, r.obj.owner == r.sub.id, allow\n"
PAIRS = "300"
ADMIN = """
[subjects."user:root"]
tenant = "acme"
clearance = "restricted"
groups = ["role:policy-admin"]
"""


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policy-cli")
    shutil.copytree(ROOT / "policy", folder / "policy")
    (folder / "policy" / "subjects.toml").write_text(PEOPLE + ADMIN)
    for name, text in FILES.items():
        path = folder / "documents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    strongroom(folder, "ingest", "documents", "--quiet", code=1)
    return folder


def test_propose_preview_activate_and_roll_back(folder: Path) -> None:
    done = strongroom(folder, "policy", "propose", "--add", ROW, "--reason", "bob audits")
    assert f"+ {ROW}" in done.stdout
    assert "proposed as revision 2; nothing has taken effect yet" in done.stdout
    assert "strongroom policy preview 2" in done.stdout

    seen = strongroom(folder, "policy", "preview", "2").stdout
    assert "user:bob" in seen
    assert "document:read" in seen
    log = strongroom(folder, "policy", "log").stdout
    assert "proposed" in log
    assert "bob audits" in log
    assert "in effect" in log

    active = strongroom(folder, "policy", "activate", "2", policy_proof_pairs=PAIRS).stdout
    assert "no difference" in " ".join(active.split())
    assert "revision 2 is in effect" in active
    assert ROW in strongroom(folder, "policy", "show").stdout
    assert ROW not in strongroom(folder, "policy", "show", "1").stdout
    assert "[request_definition]" in strongroom(folder, "policy", "show", "--model").stdout

    back = strongroom(
        folder, "policy", "rollback", "1", "--as", "root", policy_proof_pairs=PAIRS
    ).stdout
    assert "revision 3 is in effect" in back
    assert f"- {ROW}" in strongroom(folder, "policy", "diff", "3").stdout
    assert f"+ {ROW}" in strongroom(folder, "policy", "diff", "2").stdout
    assert "first revision" in strongroom(folder, "policy", "diff", "1").stdout
    log = strongroom(folder, "policy", "log").stdout
    assert "user:root" in log
    assert "was in effect" in log


def test_a_preview_of_a_line_tells_of_other_actions(folder: Path) -> None:
    line = "p, user:bob, acme, /acme/none/*, policy:administer, True, allow"
    seen = " ".join(strongroom(folder, "policy", "preview", "--add", line).stdout.split())
    assert "policy:administer" in seen
    assert "gains" in seen
    assert "path /acme/none/" in seen
    refused = strongroom(folder, "policy", "preview", "--add", line, "--add", 'p, "', code=1)
    assert "added line 2" in refused.stderr
    none = strongroom(folder, "policy", "preview", "--add", ROW.replace("finance", "none"))
    assert "Other actions than reading: nothing changes." in none.stdout


def test_a_policy_edited_in_its_folder_is_proposed_as_a_whole(folder: Path) -> None:
    edited = folder / "edited"
    shutil.copytree(folder / "policy", edited)
    with (edited / "policy.csv").open("a") as file:
        file.write("p, user:bob, acme, /acme/board/*, document:raed, True, allow\n")

    refused = strongroom(folder, "policy", "propose", "edited", code=1)

    assert "document:raed" in refused.stderr
    assert "nothing of it takes effect" in refused.stderr
    assert "document:raed" in strongroom(folder, "policy", "check", "edited", code=1).stderr
    assert "policy folder" in strongroom(folder, "status").stdout
    text = (edited / "policy.csv").read_text().replace("document:raed", "document:read")
    (edited / "policy.csv").write_text(text)
    assert "proposed as revision" in strongroom(folder, "policy", "propose", "edited").stdout


def test_what_may_be_meant_is_warned_of_and_refused_where_that_is_asked_for(folder: Path) -> None:
    odd = folder / "odd"
    shutil.copytree(folder / "policy", odd)
    with (odd / "policy.csv").open("a") as file:
        file.write("p, role:contracter, acme, /acme/board/*, document:read, True, deny\n")

    warned = strongroom(folder, "policy", "check", "odd")
    assert warned.stdout.startswith("ok: ")
    assert "role:contractor" in warned.stderr
    strict = strongroom(folder, "policy", "check", "odd", "--strict", code=1)
    assert "ok" not in strict.stdout
    assert "1 warning" in strict.stderr
    assert strongroom(folder, "policy", "check", "policy", "--strict").stderr == ""


def test_what_cannot_be_done_is_one_sentence(folder: Path) -> None:
    for arguments, said in (
        (("propose",), "give a folder"),
        (("preview",), "name a revision, or give a change"),
        (("show", "99"), "no policy revision 99"),
        (("activate", "99"), "no policy revision 99"),
        (("propose", "--add", ROW, "--as", "bob"), "needs the right to `policy:edit`"),
        (("log", "--as", "bob"), "needs the right to `policy:read`"),
        (("preview", "--remove", ROW), "is not a rule"),
    ):
        done = strongroom(folder, "policy", *arguments, code=1)
        assert said in " ".join(done.stderr.split()), arguments
        assert "Traceback" not in done.stderr


def test_who_proposed_does_not_activate_where_four_eyes_are_asked_for(folder: Path) -> None:
    proposed = strongroom(folder, "policy", "propose", "--add", ROW, "--as", "root").stdout
    number = proposed.partition("proposed as revision ")[2].partition(";")[0]

    activate = ("policy", "activate", number)

    done = strongroom(folder, *activate, "--as", "root", code=1, policy_four_eyes="true")

    assert "who proposed a revision cannot activate it" in done.stderr
    assert (
        "in effect"
        in strongroom(folder, *activate, policy_four_eyes="true", policy_proof_pairs=PAIRS).stdout
    )


def test_the_whole_plan_is_proved_when_that_is_asked_for(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "policy", tmp_path / "policy")
    (tmp_path / "policy" / "policy.csv").write_text(FEW)
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "unlabelled.txt").write_text("A quote.\n")
    strongroom(tmp_path, "ingest", "documents", "--quiet", code=1)

    done = strongroom(tmp_path, "policy", "prove", policy_proof_pairs="1")

    assert "proved on " in done.stdout


def test_access_is_asked_for_and_looked_back_on(folder: Path) -> None:
    listed = strongroom(folder, "access", "requests", "--tenant", "acme").stdout
    assert "0 wait for a decision" in listed
    unknown = str(uuid.uuid4())
    asked = strongroom(folder, "access", "request", unknown, "--as", "bob").stdout
    assert "recorded" in asked
    assert "0 wait" in strongroom(folder, "access", "requests", "--tenant", "acme").stdout
    done = strongroom(folder, "access", "refuse", unknown, "--as", "ada", code=1)
    assert "there is no such request" in done.stderr
    assert "whose requests" in strongroom(folder, "access", "requests", code=1).stderr
    strongroom(folder, "search", "hotel", "--mode", "sparse", "--as", "bob")
    did = strongroom(folder, "access", "did", "acme/handbook/travel.md").stdout
    assert "user:bob" in did
    assert "No one" in strongroom(folder, "access", "did", "globex/handbook/travel.md").stdout


def test_who_may_read_what_and_why_not(folder: Path) -> None:
    who = strongroom(folder, "access", "who", "acme/finance/budget.md").stdout
    assert "user:ada" in who
    assert "group:finance" in who
    assert "acme/handbook/lunch.md" in strongroom(folder, "access", "what", "bob").stdout
    assert "0 documents" in strongroom(folder, "access", "what", "ada", "--as", "bob").stdout
    why = strongroom(folder, "explain", "root", "acme/finance/budget.md").stdout
    assert "user:root may not read" in why
    assert "One of these alone would let them read it" not in why or "opens" in why


TESTS = """[label]
owner = "group:finance"
compartments = []
readers = []

[[test]]
name = "bob audits"
subject = { id = "user:bob", tenant = "acme", clearance = "restricted" }
action = "document:read"
label = { path = "/acme/finance/plan.md", classification = "internal" }
expect = "allow"
"""


def test_tests_stand_beside_the_policy(folder: Path) -> None:
    tested = folder / "tested"
    shutil.copytree(folder / "policy", tested)
    (tested / "tests.toml").write_text(TESTS)
    done = strongroom(folder, "policy", "check", "tested", code=3)
    assert "line 6 (bob audits): expected allow, but the nearest rule" in " ".join(
        done.stderr.split()
    )
    proposed = strongroom(folder, "policy", "propose", "tested", "--json").stdout
    (failing,) = json.loads(proposed)["failing_tests"]
    assert "bob audits" in failing
    number = str(json.loads(proposed)["revision"])
    assert TESTS in strongroom(folder, "policy", "show", number, "--tests").stdout
    done = strongroom(folder, "policy", "activate", number, code=1)
    assert "not activated: tests.toml line 6 (bob audits)" in " ".join(done.stderr.split())
    assert "the tests change" in strongroom(folder, "policy", "diff", number).stdout

    with (tested / "policy.csv").open("a") as file:
        file.write(f"{ROW}\n")
    assert "1 of 1 tests hold" in strongroom(folder, "policy", "check", "tested").stdout
    (tested / "tests.toml").write_text(TESTS.replace("expect", "expects"))
    done = strongroom(folder, "policy", "check", "tested", code=1)
    assert "tests.toml line 6" in done.stderr


GUESTS = "p, group:guests, acme, /*, document:read, r.obj.classification >= 2, deny"
NEVER = ("--never", "acme/group:guests", "classification >= 2")


def test_promises_are_decided_for_all_labels(folder: Path) -> None:
    shutil.copytree(folder / "policy", folder / "promised")
    done = strongroom(folder, "policy", "check", "promised", *NEVER, "--json", code=3)
    checked = json.loads(done.stdout)
    assert checked["promises"] == 1
    (failing,) = checked["failing"]
    assert failing.startswith("never acme/group:guests classification >= 2: user:stranger of acme")
    assert "policy.csv line" in failing
    with (folder / "promised" / "policy.csv").open("a") as file:
        file.write(f"{GUESTS}\n")
    promises = (*NEVER, "--base", "1", "--no-new-access")
    done = strongroom(folder, "policy", "check", "promised", *promises)
    assert "2 of 2 promises are kept" in " ".join(done.stdout.split())
    done = strongroom(
        folder, "policy", "check", "policy", "--base", "promised", "--no-new-access", code=3
    )
    assert "no new access: user:stranger of acme (" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--no-new-access",), "go together"),
        (("--base", "1"), "go together"),
        (("--never", "guests", "classification >= 2"), "is no principal"),
        (("--never", "group:guests", "secrecy >= 2"), "secrecy"),
        (("--never", "group:guests", "r.sub.clearance >= 2"), "about the label alone"),
        (("--never", "group:guests"), "requires 2 arguments"),
    ],
)
def test_promises_that_cannot_be_understood(
    folder: Path, options: tuple[str, ...], said: str
) -> None:
    done = strongroom(folder, "policy", "check", "policy", *options, code=2)
    assert said in " ".join(done.stderr.replace("│", " ").split())
