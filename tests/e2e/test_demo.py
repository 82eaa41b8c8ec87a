"""The demo as a newcomer runs it, and the example company's questions against the policy."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from acl.decision import Permitted
from acl.policy.decide import decide
from acl.predicate import holds
from retrieval.search.search import READ
from retrieval.service.cli import demo
from retrieval.service.cli.people import read_people
from retrieval.service.http.tokens import levels
from retrieval.service.wiring import open_parts
from tests.commandline import interrupted, strongroom

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
    return folder, strongroom(ROOT, "demo", "--no-serve", "--folder", str(folder)).stdout


def test_three_people_get_three_answers_with_the_rule(shown: tuple[Path, str]) -> None:
    text = shown[1]
    assert "Ada Lindqvist" in text
    assert "4.2 million" in text
    assert "policy.csv line" in text
    assert "reads it" in text
    assert "clearance internal" in " ".join(text.split())
    assert "5.5 million" not in text


def test_the_second_run_encodes_nothing(shown: tuple[Path, str]) -> None:
    ready = "Ctrl-C stops it."
    done = interrupted(ROOT, "demo", "--folder", str(shown[0]), at=ready, port="0")
    assert "curl -s http://127.0.0.1:" in done.stdout
    assert "ADA=ey" in done.stdout
    assert "0 added, 0 updated" in done.stdout
    assert "0 passages encoded" in done.stdout


async def test_the_policy_permits_what_is_expected_and_nothing_else(
    shown: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    settings = demo._settings(shown[0])
    questions = tomllib.loads((ROOT / "examples/company/questions.toml").read_text())["question"]
    async with open_parts(settings) as parts:
        policy, schema = parts.snapshots.pin().policy, parts.schema
        people = read_people(settings.people_file, levels(schema))
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
