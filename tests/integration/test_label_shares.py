"""Shares on real records and a real engine: given, ended, taken back."""

from __future__ import annotations

import pytest

from acl.engine.payload import label_payload
from ingest.project import Projector
from ingest.reconcile import Sweeper
from retrieval.access.documents import DocumentNotFoundError
from retrieval.labels.requests import LabelRequest
from tests.integration.label_office import (
    CASH,
    LATER,
    STEWARD,
    TICK,
    Office,
)
from tests.integration.world import NOW, SAM


async def test_a_share_ends_at_its_moment_wherever_it_is_asked(office: Office) -> None:
    identity = await office.id_of("file:acme/engineering/thread.eml")
    uri = "file:acme/engineering/thread.eml"
    done = await office.share(STEWARD, uri, "user:sam", LATER)
    assert done.effect is not None
    assert done.effect.gains == ("user:sam",)
    for at, there in ((LATER - TICK, True), (LATER, False), (LATER + TICK, False)):
        assert (uri in await office.found(SAM, "supplier", at)) is there
        page = await office.world.reader.list_documents(SAM, now=at)
        assert (uri in {one.uri for one in page.documents}) is there
        if there:
            await office.world.reader.document(SAM, identity, now=at)
        else:
            with pytest.raises(DocumentNotFoundError):
                await office.world.reader.document(SAM, identity, now=at)
    counts = office.world.searcher.counts
    assert counts.lagging
    assert counts.alarm == 0


async def test_the_sweeper_takes_out_what_ended_from_record_and_engine(office: Office) -> None:
    uri = "file:acme/engineering/thread.eml"
    await office.share(STEWARD, uri, "user:sam", LATER)
    sweeper = Sweeper(office.world.records, Projector(office.world.stores))
    assert await sweeper.sweep(now=LATER - TICK) == 0
    assert await sweeper.sweep(now=LATER) == 1
    assert await sweeper.sweep(now=LATER) == 0
    document = await office.world.document(uri)
    assert (document.shares, document.label_version) == ((), 3)
    assert document.projected_label_version == 3
    schema = office.world.schema
    assert await office.carried(document) == label_payload(document.label(schema, LATER), schema)
    assert uri not in await office.found(SAM, "supplier", LATER)
    assert office.world.searcher.counts.lagging == 0


async def test_the_reconciler_narrows_what_ended_and_nobody_took_out(office: Office) -> None:
    uri = "file:acme/engineering/thread.eml"
    await office.share(STEWARD, uri, "user:sam", LATER)
    assert (await office.world.reconciler.run(now=LATER - TICK)).differences == 0
    assert (await office.world.reconciler.run(now=LATER)).mislabelled == 1
    assert uri not in await office.found(SAM, "supplier", LATER)
    assert office.world.searcher.counts.lagging == 0


async def test_a_share_lifts_no_clearance_and_is_taken_back(office: Office) -> None:
    done = await office.share(STEWARD, CASH, "user:sam", None)
    assert done.effect is not None
    assert "user:sam" not in done.effect.loses
    assert CASH not in await office.found(SAM, "cash", NOW)
    view = await office.desk.show(STEWARD, await office.id_of(CASH), now=NOW)
    assert [(one.principal, one.until, one.by) for one in view.shares] == [
        ("user:sam", None, "user:stew")
    ]
    unshare = LabelRequest(unshare=frozenset({"user:sam"}))
    assert (await office.change(STEWARD, CASH, request=unshare)).version == 3
    assert (await office.world.document(CASH)).label_json["readers"] == ["group:finance"]
