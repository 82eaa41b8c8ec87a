"""The command line as a person uses it: a process, its output, and its exit code."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer

from retrieval.service.cli.main import COMMANDS as COMMANDS_OF_MAIN
from tests.commandline import free_port, interrupted, narrow, strongroom
from tests.serving import FILES

ROOT = Path(__file__).parents[2]
COMMANDS = [
    *([], ["ingest"], ["search"], ["explain"], ["token"], ["serve"], ["status"], ["fsck"]),
    *(["demo"], ["policy", "check"], ["documents", "list"], ["quarantine", "list"]),
    *(["audit", "verify"], ["directory", "list"], ["directory", "show"]),
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
    assert "policy revision 1" in " ".join(done.stdout.split())
    assert "answers" in done.stdout
    assert "records and engine agree" in strongroom(folder, "fsck").stdout
    assert "ok: " in strongroom(folder, "audit", "verify").stdout


def test_policies_are_checked_line_by_line(folder: Path) -> None:
    rows = (folder / "policy/policy.csv").read_text().splitlines()
    rules = sum(row.startswith("p,") for row in rows)
    assert f"ok: {rules} rules" in strongroom(folder, "policy", "check").stdout
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


def test_tokens_are_taken_back(folder: Path) -> None:
    where = ("--tenant", "acme")
    done = strongroom(folder, "token", "revoke", *where, "--id", "leaked")
    assert "refused from now on: token leaked of acme" in done.stdout
    strongroom(folder, "token", "revoke", *where, "--subject", "user:ada")
    assert "2 revocations of acme" in strongroom(folder, "token", "revoked", *where).stdout
    listed = json.loads(strongroom(folder, "token", "revoked", *where, "--json").stdout)
    assert {one["name"] for one in listed["revocations"]} == {"leaked", "user:ada"}
    assert (
        "not one such as"
        in strongroom(folder, "token", "revoke", *where, "--subject", "ada", code=1).stderr
    )


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


@pytest.mark.parametrize("command", [["serve"], ["status"], ["search", "x", "--as", "ada"]])
def test_with_another_casbin_nothing_starts(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old package overwrites the files of the one that was proved, and no tool complains."""
    old = tmp_path / "site" / "casbin-1.43.0.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: casbin\nVersion: 1.43.0\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    shutil.copytree(ROOT / "policy", tmp_path / "policy")
    (tmp_path / "policy" / "subjects.toml").write_text(PEOPLE)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "records.db").touch()

    done = strongroom(tmp_path, *command, code=1, mode="development")

    assert "error: the old package `casbin` overwrites `pycasbin`" in done.stderr
    assert [one.name for one in (tmp_path / "data").iterdir()] == ["records.db"], (
        "nothing was opened"
    )


def test_the_service_starts_says_where_and_ends_on_a_signal(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "STRONGROOM_MODE": "development"}
    port = str(free_port())
    process = subprocess.Popen(
        [sys.executable, "-m", "retrieval.service", "serve"],
        cwd=folder,
        env=environment | {"STRONGROOM_PORT": port},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        lines = iter(process.stdout.readline, "")
        said = [next(lines)]
        while "listening on" not in said[-1]:
            said.append(next(lines))
        assert "DEVELOPMENT MODE" in "".join(said)
        address = said[-1].split()[-1]
        token = strongroom(folder, "token", "ada", mode="development").stdout.strip()
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx2.get(f"{address}/v1/documents", headers=headers, trust_env=False)
        assert len(answer.json()["documents"]) == 3
        # The command line works beside it, and asks it where it can.
        asked = ("search", "hotel budget", "--mode", "sparse", "--as", "ada")
        found = strongroom(folder, *asked, mode="development", port=port).stdout
        assert "EUR 4.2 million" in found
        assert "3 documents" in strongroom(folder, "documents", "list", "--as", "ada").stdout
        process.send_signal(signal.SIGTERM)
        logged = process.stderr.read()
        assert process.wait(60) == 0
        assert token not in logged
        events = [json.loads(line) for line in logged.splitlines()]
        assert {"development_mode", "listening"} <= {event["event"] for event in events}
        assert ("/v1/search", "user:ada") in {
            (event.get("route"), event.get("subject")) for event in events
        }
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_ctrl_c_ends_the_service_in_order(folder: Path) -> None:
    done = interrupted(folder, "serve", at="listening on", mode="development", port="0")
    assert "DEVELOPMENT MODE" in done.stdout


def labelled(**said: str) -> list[str]:
    """Return the options that give every document a complete label."""
    whole = {"tenant": "acme", "owner": "user:olaf", "classification": "internal"}
    whole |= {"compartments": "", "readers": "group:everyone"} | said
    return [part for name, value in whole.items() for part in ("--label", f"{name}={value}")]


def test_pruning_removes_what_the_folder_lacks(folder: Path, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    root = tmp_path / "documents"
    shutil.copytree(folder / "documents", root)
    said = ("owner=group:sales", "classification=internal", "readers=group:everyone,user:bob")
    flags = [part for one in said for part in ("--label", one)]
    done = strongroom(folder, "ingest", str(root), *flags, data_dir=data)
    assert "added         file:acme/inbox/quote.txt" in done.stdout
    (root / "acme" / "inbox" / "quote.txt").unlink()
    done = strongroom(folder, "ingest", str(root), *flags, data_dir=data)
    assert "no longer in the source" in done.stdout
    done = strongroom(folder, "ingest", str(root), *flags, "--prune", data_dir=data, code=1)
    assert "nothing was changed: 1 of 5 documents" in done.stderr
    done = strongroom(folder, "ingest", str(root), *flags, "--prune", "--yes", data_dir=data)
    assert "1 removed" in done.stdout


def test_sources_are_added_run_listed_and_removed(folder: Path, tmp_path: Path) -> None:
    data, root = str(tmp_path / "data"), tmp_path / "notes"
    root.mkdir()
    (root / "crane.txt").write_text("The crane is inspected in spring.\n")
    flags = labelled()
    strongroom(
        folder, "source", "add", "pier", "--root", str(root), "--at", "/pier", *flags, data_dir=data
    )

    done = strongroom(folder, "source", "run", "pier", "--dry-run", data_dir=data)
    assert "1 new, 0 renamed, 0 gone of 0; nothing was changed" in done.stdout
    strongroom(folder, "source", "run", "pier", data_dir=data)
    (root / "crane.txt").rename(root / "crane-2.txt")
    done = strongroom(folder, "source", "run", "pier", data_dir=data)
    assert "Renamed" in done.stdout
    done = strongroom(folder, "source", "list", "--json", data_dir=data)
    (line,) = json.loads(done.stdout)["sources"]
    assert (line["name"], line["place"], line["documents"]) == ("pier", "/pier", 1)
    assert line["last_run"]["renamed"] == 1
    done = strongroom(folder, "source", "show", "pear", data_dir=data, code=1)
    assert "there is no source `pear`; there are: pier" in done.stderr
    done = strongroom(folder, "source", "remove", "pier", data_dir=data, code=1)
    assert "1 document of `pier` would leave the search" in done.stderr
    strongroom(folder, "source", "remove", "pier", "--yes", data_dir=data)
    done = strongroom(folder, "documents", "list", "--as", "user:ada", data_dir=data)
    assert "0 documents" in done.stdout


def test_a_document_is_deleted_for_good(folder: Path, tmp_path: Path) -> None:
    data, root = str(tmp_path / "data"), tmp_path / "notes"
    root.mkdir()
    (root / "crane.txt").write_text("The crane is inspected in spring.\n")
    flags = labelled()
    strongroom(folder, "ingest", str(root), *flags, data_dir=data)

    done = strongroom(folder, "documents", "delete", "crane.txt", data_dir=data, code=1)
    assert "`file:crane.txt` would be deleted for good" in done.stderr
    done = strongroom(folder, "documents", "delete", "crane.txt", "--yes", "--json", data_dir=data)
    assert json.loads(done.stdout)["points_left"] == 0
    done = strongroom(folder, "documents", "list", "--as", "user:ada", data_dir=data)
    assert "0 documents" in done.stdout
    done = strongroom(folder, "documents", "delete", "crane.txt", "--yes", data_dir=data, code=1)
    assert "there is no document `crane.txt`" in done.stderr


def test_a_path_of_two_tenants_is_told_apart(folder: Path, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    for tenant in ("acme", "globex"):
        root = tmp_path / tenant
        root.mkdir()
        (root / "delivery.md").write_text(f"Delivery of {tenant}.\n")
        strongroom(folder, "ingest", str(root), *labelled(tenant=tenant), data_dir=data)

    done = strongroom(folder, "label", "show", "delivery.md", data_dir=data, code=1)
    assert "delivery.md is in 2 tenants: acme, globex; say `--tenant` or the id" in done.stderr
    done = strongroom(folder, "label", "show", "delivery.md", "--tenant", "globex", data_dir=data)
    assert "globex" in done.stdout


def test_a_changed_audit_is_noticed(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data", tmp_path / "data", ignore=shutil.ignore_patterns("engine"))
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "records.db")) as database:
        database.execute("UPDATE audit_events SET body = replace(body, 'ada', 'eve')")
        database.commit()
    done = strongroom(folder, "audit", "verify", code=1, data_dir=str(tmp_path / "data"))
    assert "the chain fails at number" in done.stderr


def leaves(command: Any, name: str = "") -> dict[str, Any]:
    """Return every command that does something, by its name."""
    if not hasattr(command, "commands"):
        return {name: command}
    return {
        path: leaf
        for part, inner in command.commands.items()
        for path, leaf in leaves(inner, f"{name} {part}").items()
    }


def every_command() -> dict[str, Any]:
    """Return every command of the program that does something, by its name."""
    found: dict[str, Any] = {}
    for name, (module, _) in COMMANDS_OF_MAIN.items():
        app = import_module(f"retrieval.service.cli.{module}").app
        found |= leaves(typer.main.get_group(app).commands[name], name)
    return found


def test_every_command_answers_in_json_as_well() -> None:
    known = every_command()

    assert len(known) > 30
    assert [name for name, one in known.items() if "--json" not in str(_options(one))] == []


def _options(command: Any) -> list[str]:
    return [option for parameter in command.params for option in parameter.opts]


def test_the_list_of_commands_says_of_each_what_it_says_of_itself() -> None:
    for name, (module, said) in COMMANDS_OF_MAIN.items():
        app = import_module(f"retrieval.service.cli.{module}").app
        command = typer.main.get_group(app).commands[name]
        assert said == str(command.help).partition("\n")[0], name


def test_help_waits_for_no_library() -> None:
    program = (
        "import sys, retrieval.service.cli.main as main\n"
        "heavy = {'torch', 'fastapi', 'sqlalchemy', 'casbin', 'numpy'} & set(sys.modules)\n"
        "raise SystemExit(str(heavy) if heavy else 0)"
    )

    done = subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT, timeout=60)

    assert done.returncode == 0


def test_json_is_what_the_api_answers(folder: Path) -> None:
    listed = json.loads(strongroom(folder, "documents", "list", "--as", "ada", "--json").stdout)
    assert {document["title"] for document in listed["documents"]} >= {"Travel"}
    assert listed["next_token"] == ""
    budget = "acme/finance/budget.md"
    why = json.loads(strongroom(folder, "explain", "bob", budget, "--json").stdout)
    assert (why["allowed"], why["obstacle"]["subject"]) == (False, "user:bob")
    found = strongroom(folder, "search", "hotel", "--mode", "sparse", "--as", "bob", "--json")
    assert json.loads(found.stdout)["hits"][0]["uri"] == "file:acme/handbook/travel.md"
    state = json.loads(strongroom(folder, "status", "--json").stdout)
    assert (state["documents"], len(state["policy_digest"])) == (4, 64)


def test_a_yes_names_the_principal_and_a_no_every_line_that_would_do(folder: Path) -> None:
    yes = strongroom(folder, "explain", "ada", "acme/finance/budget.md").stdout
    assert "through group:finance" in yes
    no = strongroom(folder, "explain", "bob", "acme/finance/budget.md").stdout
    assert "one of lines 5, 6 would allow it" in no
    assert "own clearance internal)" in " ".join(no.split())


def test_a_command_that_fails_leaves_no_folder(folder: Path, tmp_path: Path) -> None:
    none, broken = tmp_path / "none", tmp_path / "broken"
    shutil.copytree(folder / "policy", broken)
    (broken / "policy.csv").write_text("p, everyone\n")
    documents = str(folder / "documents")
    for arguments, words, policy in (
        (("status",), "nothing is stored in", folder / "policy"),
        (("explain", "ada", "x"), "nothing is stored in", folder / "policy"),
        (("search", "x", "--as", "ada"), "nothing is stored in", folder / "policy"),
        (("ingest", "nowhere"), "no folder or file", folder / "policy"),
        (("ingest", documents, "--label", "colour=red"), "write key=value", folder / "policy"),
        (("ingest", documents), "policy.csv", broken),
    ):
        done = strongroom(folder, *arguments, code=1, data_dir=str(none), policy_dir=str(policy))
        assert words in " ".join(done.stderr.split()), arguments
        assert not none.exists(), arguments


def test_a_taken_port_is_one_sentence(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = strongroom(folder, "serve", code=1, mode="development", port=port)
    assert f"port {port} of 127.0.0.1 is in use" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b"{}"),
        (200, b"hello"),
        (500, b""),
        (200, b"{}"),
        (200, b"[]"),
        (200, b'{"hits": [{}], "policy_revision": 1, "decision_id": "d"}'),
    ],
)
def test_another_service_on_the_port_is_as_none(folder: Path, status: int, body: bytes) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

    strongroom(folder, "token", "ada", mode="development")
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        asked = ("search", "hotel budget", "--mode", "sparse", "--as", "ada")
        port = str(other.server_port)
        done = strongroom(folder, *asked, mode="development", port=port)
        other.shutdown()
    assert "EUR 4.2 million" in done.stdout


def test_status_fits_a_narrow_terminal(folder: Path) -> None:
    lines = narrow(folder, "status").stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert any(line.strip().startswith("labels not yet in the engine ") for line in lines)
