"""The demo as a newcomer runs it, and the example company's questions against the policy."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from acl.decision import Permitted
from acl.policy.decide import decide
from acl.predicate import holds
from retrieval.search.search import READ
from retrieval.service.cli import demo
from retrieval.service.cli.identity.people import read_people
from retrieval.service.wiring import open_parts
from tests.commandline import free_port, narrow, strongroom
from tests.scanning import compiled_rules

ROOT = Path(__file__).parents[2]
QUARANTINED = {
    *("acme/inbox/unsorted-supplier-quote.txt", "acme/inbox/forwarded-question.eml"),
    *("acme/finance/q4-outlook-draft.docx", "acme/engineering/empty-notes.txt"),
    *("acme/legal/scan-broken.pdf", "acme/sales/discount-authority.md"),
}

pytestmark = pytest.mark.slow


@pytest.fixture(name="shown", scope="module")
def _shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    compiled_rules(folder / "data")
    return folder, strongroom(ROOT, "demo", "--no-serve", "--folder", str(folder)).stdout


def test_three_people_get_three_answers_with_the_rule(shown: tuple[Path, str]) -> None:
    text = shown[1]
    assert "Ada Lindqvist" in text
    assert "4.2 million" in text
    assert "policy.csv line" in text
    assert "reads it" in text
    assert "clearance internal" in " ".join(text.split())
    assert "5.5 million" not in text


def test_who_reads_how_much_and_by_which_name(shown: tuple[Path, str]) -> None:
    text = " ".join(shown[1].split())
    assert "tenant acme" in text
    assert re.search(r"reads \d+ of 49 documents", text)
    assert "reads it: group:finance" in text
    # Where it is narrow, each person stands on lines of their own.
    told = narrow(ROOT, "demo", "--no-serve", "--folder", str(shown[0])).stdout
    text = " ".join(told.split())
    assert "one of lines 5, 6, 9 would allow it, but line 5: owner group:engineering" in text
    assert "tenant globex" in text
    assert "EUR 1.85 million" in text


def test_every_step_that_it_prints_can_be_pasted(shown: tuple[Path, str]) -> None:
    environment = {name: value for name, value in os.environ.items() if "STRONGROOM" not in name}
    command = [sys.executable, "-m", "retrieval.service", "demo", "--port", str(free_port())]
    process = subprocess.Popen(
        [*command, "--folder", str(shown[0])],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        printed = list(iter(process.stdout.readline, "Ctrl-C stops it.\n"))
        told = " ".join("".join(printed).split())
        assert "0 added, 0 updated" in told
        assert "0 passages encoded" in told
        start = next(place for place, line in enumerate(printed) if "Try next" in line)
        steps = [line.strip() for line in printed[start:] if line.startswith("  ")]
        assert len(steps) == 6
        for step in steps:
            done = subprocess.run(
                step, check=False, shell=True, cwd=ROOT, env=environment, capture_output=True
            )
            assert done.returncode == 0, (step, done.stderr)
            assert not done.stderr or b"curl" in done.stderr, (step, done.stderr)
        assert len((shown[0] / "tokens" / "ada").read_text()) > 100
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
        for line in (shown[0] / "log.jsonl").read_text().splitlines():
            assert "event" in json.loads(line)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_the_demo_answers_in_json(shown: tuple[Path, str]) -> None:
    done = strongroom(ROOT, "demo", "--json", "--folder", str(shown[0]))
    answers = json.loads(done.stdout)["answers"]
    assert [one["person"]["subject"]["id"] for one in answers] == [*demo.ASKERS, demo.STRANGER]
    assert all(one["of"] == 49 and one["hits"] for one in answers)


def test_a_taken_port_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        arguments = ("demo", "--folder", str(tmp_path / "demo"), "--port", port)
        done = strongroom(ROOT, *arguments, code=1)
    assert f"port {port} of 127.0.0.1 is in use" in " ".join(done.stderr.split())
    assert not (tmp_path / "demo").exists()


async def test_the_policy_permits_what_is_expected_and_nothing_else(
    shown: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    settings = demo.demo_settings(shown[0])
    questions = tomllib.loads((ROOT / "examples/company/questions.toml").read_text())["question"]
    async with open_parts(settings) as parts:
        policy, schema = parts.snapshots.pin().policy, parts.schema
        people = read_people(settings.people_file, schema)
        records = [
            record
            for tenant in demo.COMPANIES
            for record in await parts.records.catalog.list_documents(tenant, limit=1000)
        ]
        kept_out = {
            one.uri.removeprefix("file:") for one in await parts.records.quarantine.entries()
        }
    labels = {one.uri.removeprefix("file:"): one.label(schema, one.updated_at) for one in records}
    assert kept_out == QUARANTINED
    wrong: list[str] = []
    for question in questions:
        answering = {path for path in question["expect"].values() if path}
        for name, expected in question["expect"].items():
            decision = decide(policy, people[name].subject, READ, datetime.now(UTC))
            assert isinstance(decision, Permitted)
            readable = {path for path in labels if holds(decision.predicate, labels[path])}
            if expected and expected not in readable:
                wrong.append(f"{name} should read {expected}")
            if not expected and answering & readable:
                wrong.append(f"{name} should not read {sorted(answering & readable)}")
    assert wrong == []
