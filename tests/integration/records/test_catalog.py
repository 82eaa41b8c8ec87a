"""What is read is what was written, and only what is live."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acl.records import NewChunk, Records
from tests.builders import chunks, document_id, label, put, text_of, version

TEXTS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=300
)


async def test_a_passage_comes_with_its_document_and_label(records: Records) -> None:
    document = await put(records, version("file:a.txt", "one", "two"))
    await put(records, version("file:b.txt", "three"))

    found = await records.catalog.passages([document.live.chunk_id(1), document_id("nothing")])

    (passage,) = found.values()
    assert found.keys() == {document.live.chunk_id(1)}
    assert passage.chunk_id == document.live.chunk_id(1)
    assert (passage.document_id, passage.version, passage.ordinal) == (document.id, 1, 1)
    assert (passage.start, passage.end, passage.text) == (4, 7, "two")
    assert passage.document == document


async def test_many_ids_are_asked_in_pieces(records: Records) -> None:
    texts = [f"text {number}" for number in range(1203)]
    document = await put(records, version("file:a.txt", *texts))
    ids = [document.live.chunk_id(number) for number in range(1203)]

    found = await records.catalog.passages(ids)
    labels = await records.catalog.labels_of([*ids, document.id, document.id])

    assert [found[one].text for one in ids] == texts
    assert dict(labels) == {document.id: document}
    assert await records.catalog.passages([]) == {}
    assert await records.catalog.labels_of([]) == {}


async def test_the_text_is_put_together_at_its_offsets(records: Records) -> None:
    parts = (NewChunk(0, "abcdef"), NewChunk(4, "efgh"), NewChunk(5, "fg"), NewChunk(10, "xyz"))
    document = await put(records, version(chunks=parts))

    text = await text_of(records, document.id)
    passages = await records.catalog.document_passages(document.id)

    assert text == "abcdefgh\n\nxyz"
    assert [text[one.start : one.end] for one in passages] == [one.text for one in passages]


async def test_documents_are_listed_by_code_point_page_by_page(records: Records) -> None:
    uris = ["Z", "a", "a b", "a/b", "ab", "ä", "\uff5a", "😀"]
    for uri in [*reversed(uris)]:
        await put(records, version(uri))
    await put(records, version("a", tenant="zeta"))

    pages, after = [], ""
    while page := await records.catalog.list_documents("acme", after=after, limit=3):
        pages += [one.uri for one in page]
        after = page[-1].uri

    assert pages == sorted(uris)
    assert await records.catalog.count_documents() == 9


async def test_distinct_labels_are_counted(records: Records) -> None:
    for uri, level in [("a", "public"), ("b", "public"), ("c", "internal")]:
        await put(records, version(uri, label=label(level)))
    await put(records, version("d", tenant="zeta"))

    acme = await records.catalog.distinct_labels("acme")
    everyone = await records.catalog.distinct_labels()

    assert {one.digest: one.documents for one in acme} == {
        label("public").digest: 2,
        label("internal").digest: 1,
    }
    assert len(everyone) == 3
    assert label("public").as_json() in [one.label_json for one in acme]
    public = sorted([document_id("a"), document_id("b")])
    assert await records.catalog.carrying([label("public").digest]) == tuple(public)
    assert await records.catalog.carrying([label("public").digest], limit=1) == (public[0],)
    assert await records.catalog.carrying(["none"]) == ()


async def test_long_text_comes_back(records: Records) -> None:
    text = "Änderung 😀 \u202e \ufeff " * 100_000
    document = await put(records, version("file:a.txt", text))

    assert await text_of(records, document.id) == text


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(TEXTS, min_size=1, max_size=5), TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS))
async def test_any_text_comes_back(
    records: Records, texts: list[str], title: str, uri: str, metadata: dict[str, str]
) -> None:
    new = version(uri, title=title, metadata=metadata, chunks=chunks(*texts))
    document = await put(records, new)

    passages = await records.catalog.document_passages(document.id)

    assert [one.text for one in passages] == texts
    assert (document.title, document.uri, document.metadata) == (title, uri, metadata)
