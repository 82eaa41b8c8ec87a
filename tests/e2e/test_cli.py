"""The command line as a person uses it: a process, its output, and its exit code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import FILES

ROOT = Path(__file__).parents[2]
COMMANDS = [
    *([], ["ingest"], ["search"], ["explain"], ["token"], ["serve"], ["status"], ["fsck"]),
    *(["demo"], ["policy", "check"], ["documents", "list"], ["quarantine", "list"]),
    ["audit", "verify"],
]
PEOPLE = """
[subjects."user:ada"]
tenant = "acme"
clearance = "restricted"
compartments = ["finance"]
groups = ["group:finance"]

[subjects."user:bob"]
tenant = "acme"
clearance = "internal"
"""


def strongroom(
    folder: Path, *arguments: str, code: int = 0, **settings: str
) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("STRONGROOM_")}
    environment |= {"PYTHONPATH": str(ROOT), "COLUMNS": "160", "NO_COLOR": "1"}
    environment |= {f"STRONGROOM_{name.upper()}": value for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "retrieval.service", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    shutil.copytree(ROOT / "policy", folder / "policy")
    (folder / "policy" / "subjects.toml").write_text(PEOPLE)
    for name, text in FILES.items():
        path = folder / "documents" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = strongroom(folder, "ingest", "documents", code=1)
    assert "5 added" not in done.stdout
    assert "4 added" in done.stdout
    assert "file:acme/inbox/quote.txt" in done.stdout
    assert "`owner`: is missing" in done.stdout
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(tmp_path: Path, command: list[str]) -> None:
    done = strongroom(tmp_path, *command, "--help")
    assert "Usage:" in done.stdout
    assert len(done.stdout.splitlines()) > 6


def test_a_second_ingest_does_nothing(folder: Path) -> None:
    done = strongroom(folder, "ingest", "documents", "--quiet", code=1)
    assert "0 added, 0 updated" in done.stdout
    assert "0 passages encoded" in done.stdout


def test_search_shows_each_person_what_is_theirs(folder: Path) -> None:
    asked = ("search", "hotel budget", "--mode", "sparse")
    assert "EUR 4.2 million" in strongroom(folder, *asked, "--as", "ada").stdout
    assert "4.2" not in strongroom(folder, *asked, "--as", "user:bob").stdout
    nothing = strongroom(folder, "search", "zebra", "--mode", "sparse", "--as", "bob")
    assert "Nothing that this person may read" in nothing.stdout


def test_explain_names_lines_and_conditions(folder: Path) -> None:
    done = strongroom(folder, "explain", "bob", "acme/finance/budget.md")
    assert "user:bob may not read file:acme/finance/budget.md" in done.stdout
    assert "✗ r.obj.classification <= r.sub.clearance" in done.stdout
    done = strongroom(folder, "explain", "ada", "file:acme/finance/budget.md")
    assert "user:ada may read" in done.stdout
    done = strongroom(folder, "explain", "ada", "/globex/handbook/travel.md")
    assert "another tenant" in done.stdout
    done = strongroom(folder, "explain", "ada", "acme/nothing.md", code=1)
    assert "error: there is no document" in done.stderr


def test_lists(folder: Path) -> None:
    assert "3 documents" in strongroom(folder, "documents", "list", "--as", "ada").stdout
    assert "2 documents" in strongroom(folder, "documents", "list", "--as", "bob").stdout
    assert "1 in quarantine" in strongroom(folder, "quarantine", "list").stdout


def test_state_and_repair(folder: Path) -> None:
    done = strongroom(folder, "status")
    assert "revision 1" in done.stdout
    assert "answers" in done.stdout
    assert "records and engine agree" in strongroom(folder, "fsck").stdout
    assert "ok: " in strongroom(folder, "audit", "verify").stdout


def test_policies_are_checked_line_by_line(folder: Path) -> None:
    assert "ok: 9 rules" in strongroom(folder, "policy", "check").stdout
    broken = folder / "broken"
    shutil.copytree(folder / "policy", broken)
    (broken / "policy.csv").write_text("p, group:everyone, *, /*, document:read, like(1), Deny\n")
    done = strongroom(folder, "policy", "check", "broken", code=1)
    assert "policy.csv line 1" in done.stderr
    assert "like" in done.stderr
    (broken / "labels.toml").write_text("[label.a]\n")
    assert "refused: " in strongroom(folder, "policy", "check", "broken", code=1).stderr


def test_tokens_are_signed_in_development_alone(folder: Path) -> None:
    done = strongroom(folder, "token", "ada", mode="development")
    assert done.stdout.count(".") == 2
    done = strongroom(folder, "token", "ada", code=1)
    assert "STRONGROOM_MODE=development" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (("serve",), {}, "needs `STRONGROOM_ISSUER`"),
        (("serve",), {"mode": "development", "host": "0.0.0.0"}, "loopback alone"),
        (("status",), {"prot": "1"}, "`STRONGROOM_PROT` is not a setting"),
        (("search", "x", "--as", "nobody"), {}, "there is no subject `nobody`"),
        (("ingest", "nowhere"), {}, "there is no folder or file `nowhere`"),
        (("ingest", "documents", "--label", "colour=red"), {}, "write key=value"),
        (("status",), {"policy_dir": "nowhere"}, "cannot be read"),
        (("status",), {"qdrant_url": "ftp://x"}, "is not the http or https address"),
    ],
)
def test_mistakes_are_one_sentence(
    folder: Path, arguments: tuple[str, ...], settings: dict[str, str], words: str
) -> None:
    done = strongroom(folder, *arguments, code=1, **settings)
    assert done.stderr.startswith("error: ")
    assert words in " ".join(done.stderr.split())
