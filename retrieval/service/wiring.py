"""The composition root: every part is made here, once, from the settings.

The laws of this file:

1. What cannot be vouched for does not start: a policy that is refused, vectors of another model or
   schema, a secret that others can read, another Casbin than the one that was proved.
2. Parts are closed in the reverse order of their opening, whatever happens in between.
3. The command line and the service open the same parts, and can do so at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from acl.decision import TENANT
from acl.labels import LabelSchema
from acl.language.casbin_adapter import check_versions
from acl.records import CollectionState, Records
from acl.subject import PROGRAM
from ingest.encode.chunk import Chunker
from ingest.encode.encoder import Encoder
from ingest.encode.models import DEFAULT_MODEL, verified_model_folder, vetted_model
from ingest.index.edge.client import EdgeEngine
from ingest.index.engine import VectorEngine
from ingest.parts import Stores, Tools
from ingest.pipeline import Pipeline, PipelineSettings
from ingest.project import Projector
from ingest.read.parse import ParseLimits, Parser
from ingest.read.scan import SecretScanner
from ingest.reconcile import Reconciler
from retrieval.access.documents import DocumentReader
from retrieval.access.history import AccessHistory
from retrieval.access.questions import Questions
from retrieval.access.subjects import DirectorySubjects, KnownSubjects
from retrieval.labels.access_requests import RequestDesk
from retrieval.labels.desk import LabelDesk
from retrieval.labels.folders import FolderDesk
from retrieval.labels.jobs import BulkDesk
from retrieval.labels.views import LabelDeskSettings, LabelParts
from retrieval.policy.desk import PolicyDesk
from retrieval.policy.seeding import seeded
from retrieval.policy.shadow import Shadow
from retrieval.policy.views import PolicyViews
from retrieval.rights.decisions import Decisions, SnapshotHolder
from retrieval.rights.directory import SubjectResolver
from retrieval.rights.policy_source import read_labels
from retrieval.rights.provisioners import Provisioners
from retrieval.rights.revocations import TokenRevocations
from retrieval.rights.standing import Resolve, Standing
from retrieval.search.plan import PlanSettings
from retrieval.search.search import Searcher
from retrieval.search.store import Store
from retrieval.service.cursors import Cursors
from retrieval.service.secret_files import given_secret, own_secret, private_folder
from retrieval.service.settings import Settings, SubjectSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything that is open.

    Attributes:
        snapshots: the policy in effect, as this process saw it last.
        standing: pins requests to the policy and memberships of record.
        questions: says who may do what, and why not.
        shadow: looks again at what is released.
        desk: changes the policy.
        views: shows policies.
        cursors: makes and reads page cursors.
        labels: shows and changes labels.
        provisioners: knows the credentials of identity providers.
    """

    settings: Settings
    records: Records
    engine: VectorEngine
    encoder: Encoder
    snapshots: SnapshotHolder
    standing: Standing
    decisions: Decisions
    searcher: Searcher
    reader: DocumentReader
    questions: Questions
    shadow: Shadow
    desk: PolicyDesk
    views: PolicyViews
    cursors: Cursors
    labels: LabelDesk
    provisioners: Provisioners

    @property
    def revocations(self) -> TokenRevocations:
        """Takes tokens back."""
        return TokenRevocations(
            records=self.records,
            standing=self.standing,
            decisions=self.decisions,
            clock=lambda: datetime.now(UTC),
        )

    @property
    def bulk(self) -> BulkDesk:
        """Changes labels of many documents."""
        return BulkDesk(self.labels)

    @property
    def folders(self) -> FolderDesk:
        """Sets labels of folders."""
        return FolderDesk(self.labels)

    @property
    def requests(self) -> RequestDesk:
        """Takes requests for access, and lets owners decide."""
        return RequestDesk(self.records, self.labels)

    @property
    def history(self) -> AccessHistory:
        """Says who did read a document."""
        return AccessHistory(records=self.records, standing=self.standing, decisions=self.decisions)

    @property
    def may_write(self) -> bool:
        """Whether this process can change the engine."""
        settings = self.settings
        return settings.qdrant_url is None or settings.qdrant_write_key_file is not None

    @property
    def schema(self) -> LabelSchema:
        """The declared attributes."""
        return self.snapshots.pin().schema

    @property
    def stores(self) -> Stores:
        """The parts that the writer changes."""
        return Stores(records=self.records, engine=self.engine, schema=self.schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What the parts that answer questions stand on.

    Attributes:
        data: where secrets and vectors lie.
        schema_text: the content of labels.toml.
    """

    settings: Settings
    data: Path
    schema_text: str
    schema: LabelSchema
    records: Records
    engine: VectorEngine
    encoder: Encoder
    standing: Standing
    decisions: Decisions
    shadow: Shadow


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Open everything that a search needs; closed on leaving.

    Raises:
        SettingsError, PolicyError, SchemaError: something is not fit to start with.
        RecordsError, EngineError: records or engine cannot be opened, or are of another making.
        CasbinVersionError: the installed Casbin is another one.
    """
    check_versions()  # law 1
    data = private_folder(settings.data_dir)
    labels = await asyncio.to_thread(read_labels, settings.policy_dir)
    schema = LabelSchema.from_toml(labels)
    async with AsyncExitStack() as stack:
        audit_key = own_secret(settings.audit_key_file, data / "audit.key")
        records = await Records.open(database_url(settings), audit_key)
        stack.push_async_callback(records.close)
        await records.collection.require(_collection(schema), now=datetime.now(UTC))
        engine = _engine(settings)
        await engine.open(schema)
        stack.push_async_callback(engine.close)
        encoder = Encoder(override=settings.model_dir)
        stack.push_async_callback(encoder.close)
        snapshot = await seeded(records, settings.policy_dir, actor=PROGRAM, now=datetime.now(UTC))
        resolve = _resolve(settings, records, schema)
        standing = Standing(records, SnapshotHolder(snapshot), resolve=resolve)
        ground = _Ground(
            settings=settings,
            data=data,
            schema_text=labels,
            schema=schema,
            records=records,
            engine=engine,
            encoder=encoder,
            standing=standing,
            decisions=Decisions(),
            shadow=Shadow(records, clock=lambda: datetime.now(UTC)),
        )
        yield _parts(ground)


def _parts(on: _Ground) -> Parts:
    return Parts(
        settings=on.settings,
        records=on.records,
        engine=on.engine,
        encoder=on.encoder,
        snapshots=on.standing.snapshots,
        standing=on.standing,
        decisions=on.decisions,
        searcher=_searcher(on),
        reader=DocumentReader(
            records=on.records,
            standing=on.standing,
            decisions=on.decisions,
            released=on.shadow.offer,
        ),
        questions=Questions(
            records=on.records,
            standing=on.standing,
            decisions=on.decisions,
            known=_known(on.settings, on.records, on.schema),
        ),
        shadow=on.shadow,
        desk=_policy_desk(on),
        views=PolicyViews(records=on.records, standing=on.standing, decisions=on.decisions),
        cursors=Cursors(own_secret(on.settings.cursor_key_file, on.data / "cursor.key")),
        labels=_label_desk(on),
        provisioners=Provisioners(
            records=on.records,
            standing=on.standing,
            decisions=on.decisions,
            key=own_secret(on.settings.provisioner_key_file, on.data / "provisioner.key"),
            clock=lambda: datetime.now(UTC),
        ),
    )


def _searcher(on: _Ground) -> Searcher:
    return Searcher(
        records=on.records,
        store=Store(on.engine, on.schema, settings=_plan(on.settings)),
        encoder=on.encoder,
        standing=on.standing,
        query_key=own_secret(on.settings.query_key_file, on.data / "query.key"),
        decisions=on.decisions,
        released=on.shadow.offer,
    )


def _policy_desk(on: _Ground) -> PolicyDesk:
    return PolicyDesk(
        records=on.records,
        standing=on.standing,
        decisions=on.decisions,
        schema_text=on.schema_text,
        four_eyes=on.settings.policy_four_eyes,
        budget=on.settings.policy_proof_pairs,
    )


def _label_desk(on: _Ground) -> LabelDesk:
    stores = Stores(records=on.records, engine=on.engine, schema=on.schema)
    return LabelDesk(
        LabelParts(
            records=on.records,
            standing=on.standing,
            projector=Projector(stores),
            decisions=on.decisions,
            settings=LabelDeskSettings(four_eyes=on.settings.declassify_four_eyes),
        )
    )


@asynccontextmanager
async def open_pipeline(parts: Parts) -> AsyncIterator[Pipeline]:
    """Open what turns files into documents; closed on leaving.

    The encoder for passages is loaded with the first passage, so that a run which finds nothing
    new never loads it.

    Raises:
        ModelError: the model folder is not the vetted one.
    """
    settings = parts.settings
    folder = await asyncio.to_thread(verified_model_folder, DEFAULT_MODEL, settings.model_dir)
    scanner = await asyncio.to_thread(SecretScanner, private_folder(settings.data_dir / "scanner"))
    limits = ParseLimits(
        file_bytes=settings.parse_max_bytes,
        seconds=settings.parse_seconds,
        memory_bytes=settings.parse_memory_bytes,
    )
    parser, encoder = Parser(limits), Encoder(override=settings.model_dir)
    tools = Tools(
        parser=parser,
        scanner=scanner,
        chunker=Chunker.from_folder(folder),
        encoder=encoder,
        model=f"{DEFAULT_MODEL}@{_model_digest()}",
    )
    try:
        run = PipelineSettings(removal_share=settings.removal_share)
        yield Pipeline(parts.stores, tools, settings=run)
    finally:
        await parser.close()
        await encoder.close()


def reconciler(parts: Parts) -> Reconciler:
    """Return what compares records and engine, and repairs."""
    return Reconciler(parts.stores, parts.encoder)


def database_url(settings: Settings) -> str:
    """Return the address of the records.

    Raises:
        SettingsError: the file that holds it cannot be read.
    """
    if settings.database_url_file is not None:
        return given_secret(settings.database_url_file)
    return f"sqlite:///{(settings.data_dir / 'records.db').absolute()}"


def _engine(settings: Settings) -> VectorEngine:
    if settings.qdrant_url is None:
        return EdgeEngine(settings.data_dir / "engine")
    # Its client takes two seconds to import, which only a cluster needs.
    from ingest.index.qdrant import QdrantEngine  # noqa: PLC0415

    read, write = settings.qdrant_read_key_file, settings.qdrant_write_key_file
    return QdrantEngine.on_server(
        settings.qdrant_url,
        read_key=given_secret(read) if read else None,
        write_key=given_secret(write) if write else None,
        # With a key for reading alone, this process cannot write even if it is told to.
        may_write=write is not None or read is None,
        collection=settings.qdrant_collection,
    )


def _plan(settings: Settings) -> PlanSettings:
    return PlanSettings(
        exact_points=settings.exact_points,
        acorn_share=settings.acorn_share,
        acorn_ef=settings.acorn_ef,
        hnsw_ef=settings.hnsw_ef,
    )


def _collection(schema: LabelSchema) -> CollectionState:
    assert TENANT in schema.attributes
    return CollectionState(
        label_schema_digest=schema.digest, model_name=DEFAULT_MODEL, model_digest=_model_digest()
    )


def _model_digest() -> str:
    return vetted_model(DEFAULT_MODEL).files["model.safetensors"]


def _resolve(settings: Settings, records: Records, schema: LabelSchema) -> Resolve | None:
    if settings.directory is SubjectSource.TOKEN:
        return None
    return SubjectResolver(records.directory, schema.subject).resolve


def _known(settings: Settings, records: Records, schema: LabelSchema) -> KnownSubjects | None:
    """Return whom questions can be about; without a directory it is whom the policy names."""
    if settings.directory is SubjectSource.TOKEN:
        return None
    return DirectorySubjects(records.directory, schema.subject)
