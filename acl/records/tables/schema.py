"""The tables: a state that the code must not see cannot be stored.

A migration makes them; `tests/integration/records` compares what it made with what stands here.
Text that is sorted on sorts by code point in both databases. JSON is kept as its canonical text.

An id of a user or group is never handed out twice; names may come back. A membership carries the
tenant in both of its foreign keys, so that a member of another tenant cannot be stored.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from acl.records.database.storable import from_microseconds, to_microseconds

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

metadata: Final = MetaData(naming_convention=NAMING)

# STRICT tables of SQLite know INTEGER alone, which has 64 bits there.
Whole: Final[TypeEngine[int]] = BigInteger().with_variant(Integer(), "sqlite")
Sorted: Final[TypeEngine[str]] = Text().with_variant(Text(collation="C"), "postgresql")


class Moment(TypeDecorator[datetime]):
    """An aware time, kept in microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the integer of the dialect."""
        return dialect.type_descriptor(Whole)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return the stored form."""
        del dialect
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ANN401
        """Return the time."""
        del dialect
        return None if value is None else from_microseconds(value)


def _table(name: str, *parts: SchemaItem) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True)


def _texts(*names: str) -> tuple[Column[str], ...]:
    """Return columns of texts that are never missing."""
    return tuple(Column(name, Text, nullable=False) for name in names)


def _wholes(*names: str) -> tuple[Column[int], ...]:
    """Return columns of whole numbers that are never missing."""
    return tuple(Column(name, Whole, nullable=False) for name in names)


def _moments(*names: str) -> tuple[Column[datetime], ...]:
    """Return columns of times that are never missing."""
    return tuple(Column(name, Moment, nullable=False) for name in names)


def _number(name: str) -> Column[int]:
    """Return a column of a key that the program counts itself."""
    return Column(name, Whole, primary_key=True, autoincrement=False)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of those rows alone where the condition holds."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _document_id(*, primary: bool = False) -> Column[str]:
    owner = ForeignKey("documents.id", ondelete="CASCADE")
    return Column("document_id", Text, owner, primary_key=primary, nullable=False)


def _description() -> tuple[Column[Any], ...]:
    """What a version says of a document, whether live or pending."""
    return (
        *_texts("title", "media_type", "metadata", "label", "label_digest", "content_digest"),
        *_wholes("chunk_count"),
        Column("origins", Text, nullable=False, server_default="{}"),
    )


DESCRIPTION: Final = tuple(column.name for column in _description())

# A place that documents come from.
sources: Final = _table(
    "sources",
    Column("id", Text, primary_key=True),
    Column("name", Sorted, nullable=False),
    *_texts("kind", "root", "at", "label"),
    *_moments("created_at"),
    Column("last_run_at", Moment, nullable=True),
    Column("last_run", Text, nullable=False, server_default="{}"),
    CheckConstraint("length(id) = 36", name="id"),
    CheckConstraint("length(name) > 0 AND length(kind) > 0", name="filled"),
    UniqueConstraint("name"),
    UniqueConstraint("kind", "root"),
)

# `source` is "" for a document that was not read from a source of record.
documents: Final = _table(
    "documents",
    Column("id", Text, primary_key=True),
    *_texts("tenant"),
    Column("uri", Sorted, nullable=False),
    *_description(),
    *_wholes("label_version", "projected_label_version", "live_version"),
    *_moments("created_at", "updated_at"),
    Column("label_revision", Whole, nullable=False, server_default="0"),
    Column("shares", Text, nullable=False, server_default="[]"),
    Column("shares_next", Moment, nullable=True),
    Column("source", Text, nullable=False, server_default=""),
    CheckConstraint("length(id) = 36", name="id"),
    CheckConstraint("length(tenant) > 0 AND length(uri) > 0", name="source"),
    CheckConstraint("label_version >= 1", name="label_version"),
    CheckConstraint(
        "projected_label_version BETWEEN 0 AND label_version", name="projected_label_version"
    ),
    CheckConstraint("live_version >= 0", name="live_version"),
    CheckConstraint("chunk_count >= 1", name="chunk_count"),
    UniqueConstraint("tenant", "uri"),
    Index("ix_documents_label_digest", "label_digest"),
    Index("ix_documents_source", "source"),
    _partial("ix_documents_shares_next", "shares_next", where="shares_next IS NOT NULL"),
    _partial("ix_documents_unprojected", "id", where="projected_label_version < label_version"),
)

# A version that is being written. Its label waits here and takes effect when it goes live.
pending_versions: Final = _table(
    "pending_versions",
    _document_id(primary=True),
    *_wholes("version"),
    *_description(),
    *_wholes("based_on_label_version"),
    *_moments("begun_at"),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("based_on_label_version >= 0", name="based_on_label_version"),
    CheckConstraint("chunk_count >= 1", name="chunk_count"),
)

chunks: Final = _table(
    "chunks",
    Column("id", Text, primary_key=True),
    _document_id(),
    *_wholes("version", "ordinal", "span_start", "span_end"),
    *_texts("text"),
    CheckConstraint("length(id) = 36", name="id"),
    CheckConstraint("version >= 1 AND ordinal >= 0", name="place"),
    CheckConstraint("span_start >= 0 AND span_start < span_end", name="span"),
    CheckConstraint("length(text) = span_end - span_start", name="text"),
    UniqueConstraint("document_id", "version", "ordinal"),
)

# Which version numbers were handed out, and the label version that a deleted document had. A row
# outlives its document, so that no number comes back while points of the old one may linger or
# a decision on its label is still held; and it is the lock that orders a document's writers.
version_counters: Final = _table(
    "version_counters",
    Column("document_id", Text, primary_key=True),
    *_wholes("last_version"),
    Column("label_version", Whole, nullable=False, server_default="0"),
    CheckConstraint("last_version >= 1", name="last_version"),
)

# Outbox: versions that are gone here and whose points must still go from the engine.
point_deletions: Final = _table(
    "point_deletions",
    Column("document_id", Text, primary_key=True),
    _number("version"),
    *_moments("requested_at"),
    CheckConstraint("version >= 1", name="version"),
)

quarantine: Final = _table(
    "quarantine",
    Column("id", Whole, Identity(), primary_key=True),
    *_texts("tenant", "uri", "reason", "content_digest"),
    *_moments("first_seen", "last_seen"),
    CheckConstraint("length(uri) > 0 AND length(reason) > 0", name="filled"),
    UniqueConstraint("tenant", "uri"),
)

# One row: how far each kind of change has come.
heads: Final = _table(
    "heads",
    _number("id"),
    *_wholes("policy", "refuted", "label"),
    CheckConstraint("id = 1", name="single"),
    CheckConstraint("policy >= 0 AND refuted IN (0, 1) AND label >= 0", name="counts"),
)

collection_state: Final = _table(
    "collection_state",
    _number("id"),
    *_texts("label_schema_digest", "model_name", "model_digest"),
    *_moments("created_at"),
    CheckConstraint("id = 1", name="single"),
)

audit_events: Final = _table(
    "audit_events",
    _number("seq"),
    *_wholes("time"),
    *_texts("kind", "body", "previous", "hash"),
    CheckConstraint("seq >= 1", name="seq"),
    CheckConstraint("length(previous) = 64 AND length(hash) = 64", name="hashes"),
    Index("ix_audit_events_time", "time"),
)

audit_head: Final = _table(
    "audit_head",
    _number("id"),
    *_wholes("seq"),
    *_texts("hash", "mac"),
    CheckConstraint("id = 1", name="single"),
    CheckConstraint("seq >= 0", name="seq"),
    CheckConstraint("length(hash) = 64 AND length(mac) = 64", name="hashes"),
)

# Finds events again by document, and by who got it: `reader` names the subject that got passages by
# the event and those it acted through; it is empty where no one did. The chain is the truth.
audit_resources: Final = _table(
    "audit_resources",
    Column("resource", Text, primary_key=True),
    _number("seq"),
    Column("reader", Text, nullable=False, server_default=""),
    Index("ix_audit_resources_reader", "resource", "reader", "seq"),
)


# What happened to a label goes with its document; the audit keeps that it happened.
label_changes: Final = _table(
    "label_changes",
    _document_id(primary=True),
    _number("label_version"),
    *_texts("kind"),
    Column("before", Text, nullable=True),
    *_texts("after", "by"),
    *_moments("at"),
    *_texts("reason", "change_id"),
    CheckConstraint("label_version >= 1", name="label_version"),
)

folder_labels: Final = _table(
    "folder_labels",
    Column("tenant", Text, primary_key=True),
    Column("path", Sorted, primary_key=True),
    *_texts("attributes", "by"),
    *_moments("at"),
    *_wholes("version"),
    CheckConstraint("version >= 1", name="version"),
    CheckConstraint("length(tenant) > 0 AND length(path) > 0", name="filled"),
)

# It can be about a document that does not exist, on purpose: a request for access tells nothing.
approvals: Final = _table(
    "approvals",
    Column("id", Text, primary_key=True),
    *_texts("kind", "tenant"),
    Column("about", Sorted, nullable=False),
    *_wholes("version"),
    *_texts("changes", "wanted", "by", "parties"),
    *_moments("at"),
    *_texts("reason", "state"),
    Column("decided_at", Moment, nullable=True),
    *_texts("decided_by"),
    CheckConstraint("length(id) = 36 AND length(about) > 0 AND length(by) > 0", name="filled"),
    CheckConstraint("kind IN ('label', 'folder', 'access')", name="kind"),
    CheckConstraint("state IN ('open', 'granted', 'refused')", name="state"),
    Index("ix_approvals_about", "tenant", "kind", "about"),
    Index("ix_approvals_at", "tenant", "at"),
    _partial("ix_approvals_access", "tenant", "by", "about", where="kind = 'access'", unique=True),
)

label_jobs: Final = _table(
    "label_jobs",
    Column("id", Text, primary_key=True),
    *_texts("tenant", "by", "asker", "request", "reason"),
    *_moments("created_at"),
    CheckConstraint("length(id) = 36", name="id"),
)

# No foreign key to the document: what became of it is told even when it is gone.
label_job_items: Final = _table(
    "label_job_items",
    Column("job_id", Text, ForeignKey("label_jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("document_id", Text, primary_key=True),
    *_wholes("expected_version"),
    *_texts("state", "detail"),
    CheckConstraint("state IN ('pending', 'done', 'conflict', 'failed')", name="state"),
)


# Triggers of the migration keep a row as it is; only its activation is added, once.
# A revision of before texts were kept has empty texts, and cannot be activated again.
policy_revisions: Final = _table(
    "policy_revisions",
    _number("revision"),
    *_wholes("base"),
    *_texts("digest", "model", "rules", "matching", "tests", "author", "reason"),
    *_moments("created_at"),
    Column("activated_at", Moment, nullable=True),
    *_texts("activated_by"),
    Column("parties", Text, nullable=False, server_default="[]"),
    Column("texts_digest", Text, nullable=False, server_default=""),
    CheckConstraint("revision >= 1 AND base >= 0 AND base < revision", name="numbers"),
    CheckConstraint("length(digest) > 0 AND length(author) > 0", name="filled"),
)

_REVISION: Final = ForeignKey("policy_revisions.revision")

policy_proofs: Final = _table(
    "policy_proofs",
    Column("revision", Whole, _REVISION, primary_key=True, autoincrement=False),
    *_texts("state"),
    *_wholes("labels"),
    *_texts("mismatch"),
    *_moments("updated_at"),
    CheckConstraint("state IN ('sampled', 'proved', 'refuted')", name="state"),
    CheckConstraint("labels >= 0", name="labels"),
)


def _entry(kind: str) -> tuple[Any, ...]:
    """What users and groups have in common."""
    return (
        Column("id", Text, primary_key=True),
        *_texts("tenant"),
        Column("identity", Sorted, nullable=False),
        Column("called", Sorted, nullable=False),
        *_texts("name", "external_id"),
        *_wholes("version"),
        *_moments("created_at", "updated_at"),
        CheckConstraint("length(id) = 36", name="id"),
        CheckConstraint("length(tenant) > 0", name="tenant"),
        CheckConstraint(f"substr(identity, 1, {len(kind) + 1}) = '{kind}:'", name="identity"),
        CheckConstraint(f"substr(called, 1, {len(kind) + 1}) = '{kind}:'", name="called"),
        CheckConstraint("version >= 1", name="version"),
        UniqueConstraint("tenant", "identity"),
        UniqueConstraint("tenant", "called"),
        UniqueConstraint("id", "tenant"),
    )


directory_users: Final = _table(
    "directory_users",
    *_entry("user"),
    *_texts("display_name"),
    *_wholes("active"),
    Column("clearance", Whole, nullable=True),
    Column("compartments", Text, nullable=True),
    Column("attributes", Text, nullable=True),
    CheckConstraint("active IN (0, 1)", name="active"),
    CheckConstraint("clearance >= 0", name="clearance"),
    Index("ix_directory_users_external_id", "tenant", "external_id"),
)

directory_groups: Final = _table(
    "directory_groups",
    *_entry("group"),
    Index("ix_directory_groups_external_id", "tenant", "external_id"),
)


def _memberships(name: str, members: str) -> Table:
    """Who is directly in a group; a membership goes with either end."""
    return _table(
        name,
        Column("group_id", Text, primary_key=True),
        Column("member_id", Text, primary_key=True),
        *_texts("tenant"),
        ForeignKeyConstraint(
            ["group_id", "tenant"],
            ["directory_groups.id", "directory_groups.tenant"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["member_id", "tenant"], [f"{members}.id", f"{members}.tenant"], ondelete="CASCADE"
        ),
        CheckConstraint("group_id <> member_id", name="other"),
        Index(f"ix_{name}_member_id", "member_id"),
    )


user_memberships: Final = _memberships("directory_user_memberships", "directory_users")
group_memberships: Final = _memberships("directory_group_memberships", "directory_groups")

# What an identity provider shows to keep a tenant's directory; of the secret a keyed digest alone.
provisioners: Final = _table(
    "provisioners",
    Column("id", Text, primary_key=True),
    *_texts("tenant", "service", "digest", "created_by"),
    *_moments("created_at"),
    Column("used_at", Moment, nullable=True),
    Column("ends_at", Moment, nullable=True),
    CheckConstraint("length(tenant) > 0 AND length(digest) = 64", name="filled"),
    CheckConstraint("substr(service, 1, 8) = 'service:'", name="service"),
    Index("ix_provisioners_tenant", "tenant"),
)

# Tokens that are refused before their time: one by its id, or those of a subject that were issued
# until a moment.
revoked_tokens: Final = _table(
    "revoked_tokens",
    *(Column(name, Text, primary_key=True) for name in ("tenant", "kind", "name")),
    *_moments("until", "at"),
    *_texts("by"),
    CheckConstraint("kind IN ('token', 'subject')", name="kind"),
    CheckConstraint("length(tenant) > 0 AND length(name) > 0", name="filled"),
)

# How many changes of users and groups each tenant has seen; the lock that orders its writers.
directory_heads: Final = _table(
    "directory_heads",
    Column("tenant", Text, primary_key=True),
    *_wholes("changes"),
    CheckConstraint("length(tenant) > 0", name="tenant"),
    CheckConstraint("changes >= 0", name="changes"),
)
