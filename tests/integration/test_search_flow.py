"""What leaves, for whom, and what is on record before it does."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fpdf import FPDF
from structlog.testing import capture_logs

from acl.engine.payload import label_payload
from acl.errors import PolicyError, RequestError, SchemaError
from acl.records import (
    AuditKind,
    AuditUnavailableError,
    Outcome,
    RecordsUnavailableError,
)
from acl.subject import Subject
from ingest.index.engine import EngineUnavailableError, Point
from retrieval.access.documents import DocumentReader
from retrieval.rights.decisions import PolicySnapshot
from retrieval.rights.policy_source import read_source
from retrieval.search.narrow import Narrowing, NarrowingError, Operator
from retrieval.search.search import Searcher, SearchRequest
from retrieval.search.store import Mode, Store
from tests.builders import last_event
from tests.integration.engine_state import points_of
from tests.integration.policies import put_in_effect
from tests.integration.troubles import broken
from tests.integration.world import (
    ADA,
    AGENT,
    BOB,
    EVE,
    GUS,
    NOW,
    PEOPLE,
    POLICY,
    QUERY_KEY,
    SAM,
    CountingEncoder,
    World,
)
from tests.plain import vector

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUESTION = "Who approved the budget of project Falcon, and zyxomma?"
NOBODY = Subject(id="user:nobody", tenant="elsewhere")


def searcher(world: World, **parts: object) -> Searcher:
    """Return a searcher of which some parts are others."""
    given: dict[str, object] = {
        "records": world.records,
        "store": Store(world.engine, world.schema),
        "encoder": world.tools.encoder,
        "standing": world.standing,
        "query_key": QUERY_KEY,
    }
    return Searcher(**{**given, **parts})  # type: ignore[arg-type]


async def test_a_hit_says_where_it_comes_from(stocked: World) -> None:
    page = await stocked.ask(ADA, "cash position in October", top_k=1)

    (hit,) = page.hits
    assert hit.text == "The cash position at the end of October was four million."
    assert (hit.title, hit.uri) == ("cash.txt", "file:acme/finance/cash.txt")
    assert (hit.classification, hit.owner) == ("confidential", "group:finance")
    text = (await stocked.reader.document(ADA, hit.document_id, now=NOW)).text
    assert text[hit.span.start : hit.span.end] == hit.text
    assert hit.score > 0
    assert (hit.page, hit.last_page, hit.updated) == (None, None, NOW)
    assert hit.modified is not None
    assert page.policy_revision == 1


async def test_a_hit_of_a_pdf_says_on_which_page_it_stands(installed: World, company: Path) -> None:
    manual = FPDF()
    manual.set_font("Helvetica", size=12)
    for number in range(1, 6):
        manual.add_page()
        more = "Who raises the quarantine flag? Sunniva Aas raises it." if number == 4 else ""
        manual.multi_cell(0, 8, f"Chapter {number} tells of cranes. " * 12 + more)
    (company / "acme/handbook/manual.pdf").write_bytes(bytes(manual.output()))
    await installed.ingest(company)

    hits = await installed.hits(SAM, "quarantine flag Sunniva Aas")

    first = hits[0]
    assert "Sunniva Aas" in first.text
    assert first.page is not None
    assert first.last_page is not None
    assert first.page <= 4 <= first.last_page
    assert installed.schema.metadata.keys().isdisjoint({"_pages"})


@pytest.mark.parametrize("mode", list(Mode))
async def test_every_mode_obeys_the_policy(stocked: World, mode: Mode) -> None:
    permits, documents = stocked.oracle(), await stocked.documents()

    for subject in PEOPLE:
        found = {hit.uri for hit in (await stocked.ask(subject, "Falcon", mode=mode)).hits}
        allowed = {one.uri for one in documents if permits(subject, one)}
        assert found <= allowed
        assert found == allowed or mode is Mode.SPARSE


async def test_a_page_holds_no_more_than_was_asked_for(stocked: World) -> None:
    whole = await stocked.hits(ADA, "Falcon")
    short = await stocked.hits(ADA, "Falcon", top_k=2)

    assert short == whole[:2]


async def test_who_acts_through_an_agent_sees_what_both_may(stocked: World) -> None:
    alone, together = (
        await stocked.uris(ADA, "Falcon"),
        await stocked.uris(AGENT, "Falcon"),
    )

    assert together < alone
    assert (await last_event(stocked.records)).actors == ("agent:helper",)


async def test_who_is_denied_gets_an_empty_page_and_the_engine_is_not_asked(
    stocked: World, encoder: CountingEncoder, tmp_path: Path
) -> None:
    before = encoder.questions
    nothing = policy_folder(tmp_path, without="p, group:everyone, *, /*, document:read")
    await put_in_effect(stocked.records, read_source(nothing), now=NOW)
    await stocked.engine.close()

    page = await stocked.ask(NOBODY, QUESTION)

    assert page.hits == ()
    assert encoder.questions == before
    event = await last_event(stocked.records)
    assert event.outcome is Outcome.DENIED
    assert event.decision_id == page.decision_id


async def test_a_stranger_sees_nothing(stocked: World) -> None:
    assert await stocked.hits(NOBODY, QUESTION) == ()


async def test_the_search_is_on_record_without_its_text(stocked: World) -> None:
    page = await stocked.ask(ADA, QUESTION)

    event = await last_event(stocked.records)
    assert (event.kind, event.subject, event.tenant) == (AuditKind.SEARCH, "user:ada", "acme")
    assert event.decision_id == page.decision_id
    assert (event.policy_revision, event.policy_digest) == (1, stocked.snapshot.digest)
    assert list(event.resources) == list(dict.fromkeys(hit.document_id for hit in page.hits))
    assert len(event.query_hmac) == 64
    again = await stocked.ask(ADA, QUESTION)
    assert (await last_event(stocked.records)).query_hmac == event.query_hmac
    assert again.decision_id != page.decision_id
    await stocked.ask(GUS, QUESTION)
    assert (await last_event(stocked.records)).query_hmac != event.query_hmac
    assert (await stocked.records.audit.verify()).fault is None


async def test_the_question_is_nowhere_on_disk_nor_in_the_log(
    stocked: World, tmp_path: Path
) -> None:
    with capture_logs() as logs:
        await stocked.ask(ADA, QUESTION)
        await stocked.ask(NOBODY, QUESTION)

    stored = b"".join(one.read_bytes() for one in (tmp_path / "data").rglob("*") if one.is_file())
    assert b"zyxomma" not in stored
    assert b"cash position" in stored
    assert "zyxomma" not in str(logs)


async def test_without_a_record_there_is_no_answer(stocked: World) -> None:
    records = replace(stocked.records, audit=broken(stocked.records.audit))
    document = await stocked.document("file:acme/handbook/travel.md")
    reader = DocumentReader(records=records, standing=stocked.standing)

    with pytest.raises(AuditUnavailableError):
        await searcher(stocked, records=records).search(ADA, SearchRequest(query="Falcon"), NOW)
    with pytest.raises(AuditUnavailableError):
        await reader.document(ADA, document.id, now=NOW)
    with pytest.raises(AuditUnavailableError):
        await reader.list_documents(ADA, now=NOW)


async def test_an_engine_that_is_gone_is_an_error_and_no_empty_page(stocked: World) -> None:
    process = stocked.engine._process
    assert process is not None
    process.kill()
    process.wait()

    with pytest.raises(EngineUnavailableError):
        await stocked.ask(ADA, "Falcon")


async def test_a_wrong_label_in_the_engine_lets_nothing_out_and_raises_an_alarm(
    stocked: World,
) -> None:
    document = await stocked.document("file:acme/board/minutes.md")
    assert document.uri not in await stocked.uris(SAM, "minutes of the board")
    wide = {"classification": 0, "compartments": [], "readers": ["group:everyone"]}
    wrong = stocked.schema.parse({**document.label_json, **wide})
    await stocked.engine.set_label(points_of(document.id), label_payload(wrong, stocked.schema))

    with capture_logs() as logs:
        found = await stocked.hits(SAM, "minutes of the board", top_k=1)

    assert found
    assert document.uri not in {hit.uri for hit in found}
    assert stocked.searcher.counts.alarm == 1
    (warning,) = [one for one in logs if one["event"] == "recheck_disagreement"]
    assert (warning["log_level"], warning["document_id"]) == ("warning", document.id)
    await stocked.reconciler.run(now=NOW)
    await stocked.hits(SAM, "minutes of the board")
    assert stocked.searcher.counts.alarm == 1


async def test_a_page_is_filled_up_when_hits_are_dropped(stocked: World) -> None:
    """More points lie than the first round asks for, and lead to nothing."""
    document = await stocked.document("file:acme/handbook/travel.md")
    (point,) = [one async for one in stocked.engine.scroll(points_of(document.id))]
    payload = {**point.payload, "document": {"id": document.id, "version": 99}}
    await stocked.engine.upsert(ghosts(payload))

    hits = await stocked.hits(SAM, "Trips are booked ahead", top_k=1)

    assert [hit.uri for hit in hits] == [document.uri]
    assert stocked.searcher.counts.stale >= 60
    assert stocked.searcher.counts.alarm == 0
    assert (await stocked.reconciler.run(now=NOW)).orphans == 1


async def test_the_recheck_is_what_holds_when_a_document_moves_meanwhile(
    stocked: World,
) -> None:
    """The engine answers with a point of another document than its chunk belongs to."""
    document = await stocked.document("file:acme/handbook/travel.md")
    (point,) = [one async for one in stocked.engine.scroll(points_of(document.id))]
    other = (await stocked.document("file:acme/board/minutes.md")).id
    payload = {**point.payload, "document": {"id": other, "version": 1}}
    vector = await stocked.tools.encoder.encode_passages(["travel"])
    await stocked.engine.upsert([Point(point.id, vector[0], "travel", payload)])

    assert document.uri not in await stocked.uris(SAM, "travel")
    assert stocked.searcher.counts.alarm == 1


async def test_narrowing_narrows_and_names_nothing_of_the_label(stocked: World) -> None:
    html = (Narrowing("format", Operator.EQ, "html"),)
    request = SearchRequest(query="Falcon", narrowing=html)
    page = await stocked.searcher.search(BOB, request, NOW)

    assert {hit.uri for hit in page.hits} == {"file:acme/engineering/valve.html"}
    bad = SearchRequest(query="x", narrowing=(Narrowing("owner", Operator.EQ, "user:leo"),))
    with pytest.raises(NarrowingError):
        await stocked.searcher.search(BOB, bad, NOW)


@pytest.mark.parametrize(
    ("request_of", "reason"),
    [
        (lambda: SearchRequest(query="  "), "the query is empty"),
        (lambda: SearchRequest(query="x" * 4001), "longer than 4000"),
        (lambda: SearchRequest(query="half \ud800"), "is not text"),
        (lambda: SearchRequest(query="x", top_k=0), "`top_k` lies between 1 and 100"),
        (lambda: SearchRequest(query="x", top_k=101), "`top_k` lies between 1 and 100"),
    ],
)
async def test_what_cannot_be_asked(request_of: Callable[[], SearchRequest], reason: str) -> None:
    with pytest.raises(RequestError, match=reason):
        request_of()


async def test_records_that_are_gone_let_nothing_out(stocked: World) -> None:
    await stocked.records.database.close()

    with pytest.raises((AuditUnavailableError, RecordsUnavailableError)):
        await stocked.ask(ADA, "Falcon")


async def test_a_role_that_ends_ends_in_the_middle_of_a_cached_decision(stocked: World) -> None:
    await stocked.relabel("file:acme/finance/cash.txt", classification=1, compartments=[])
    request = SearchRequest(query="cash position", top_k=50)
    end = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)

    async def found(now: datetime) -> bool:
        page = await stocked.searcher.search(SAM, request, now)
        return "file:acme/finance/cash.txt" in {hit.uri for hit in page.hits}

    assert await found(NOW)
    assert await found(end - timedelta(seconds=1))
    assert not await found(end + timedelta(seconds=1))
    assert await found(NOW)


async def test_the_next_request_obeys_another_policy(stocked: World, tmp_path: Path) -> None:
    assert "file:acme/engineering/thread.eml" in await stocked.uris(EVE, "supplier")
    folder = policy_folder(tmp_path, without="/acme/engineering/*, document:read, True")

    revision = await put_in_effect(stocked.records, read_source(folder), now=NOW)

    assert revision.revision == 2
    page = await stocked.ask(EVE, "supplier")
    assert page.policy_revision == 2
    assert "file:acme/engineering/thread.eml" not in {one.uri for one in page.hits}
    await put_in_effect(stocked.records, read_source(POLICY), now=NOW)
    assert (await stocked.ask(EVE, "supplier")).policy_revision == 3
    assert "file:acme/engineering/thread.eml" in await stocked.uris(EVE, "supplier")


async def test_a_policy_of_other_labels_is_not_swapped_in(stocked: World, tmp_path: Path) -> None:
    folder = policy_folder(tmp_path)
    labels = (folder / "labels.toml").read_text()
    added = '[label.project]\ntype = "keyword"\nrequired = false\n'
    (folder / "labels.toml").write_text(labels + added)
    other = PolicySnapshot(policy=read_source(folder).policy, revision=2)

    with pytest.raises(SchemaError, match=r"another labels\.toml"):
        stocked.snapshots.swap(other)

    assert stocked.snapshots.pin().revision == 1


async def test_a_policy_that_cannot_be_read_names_the_file(tmp_path: Path) -> None:
    folder = policy_folder(tmp_path)
    (folder / "policy.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match=r"policy\.csv: `file`: is not UTF-8"):
        read_source(folder)
    (folder / "policy.csv").unlink()
    with pytest.raises(PolicyError, match=r"`file`: cannot be read in .*policy`: No such file"):
        read_source(folder)


def ghosts(payload: Mapping[str, object]) -> list[Point]:
    """Return points of a version that is not live, all of them good answers."""
    text = "Trips are booked ahead"
    return [
        Point(str(uuid.UUID(int=number)), vector(text), text, payload) for number in range(1, 61)
    ]


def policy_folder(tmp_path: Path, *, without: str = "\0") -> Path:
    """Return a copy of the policy, but for the lines that hold a text."""
    folder = tmp_path / "policy"
    folder.mkdir()
    for one in POLICY.iterdir():
        lines = one.read_text().splitlines(keepends=True)
        (folder / one.name).write_text("".join(line for line in lines if without not in line))
    return folder
