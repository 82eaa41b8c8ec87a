"""Every table, index and trigger of the records, as the first release has them.

Written out, and not taken from the tables' metadata, because a migration must go on making what it
made when it was released. `tests/integration/records/test_opening.py` holds the two equal.
The names of constraints follow from the metadata's naming convention.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: Final = "1"
down_revision: Final = None
branch_labels: Final = None
depends_on: Final = None

TEXT: Final = sa.Text()
SORTED: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
WHOLE: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

FIXED: Final = (
    "revision",
    "base",
    "digest",
    "texts_digest",
    "model",
    "rules",
    "matching",
    "tests",
    "author",
    "parties",
    "reason",
    "created_at",
)
ONCE: Final = ("activated_at", "activated_by")
REASON: Final = "a policy revision never changes"


def upgrade() -> None:
    _sources()
    _documents()
    _chunks()
    _versions()
    _quarantine()
    _heads()
    _audit()
    _directory()
    _labels()
    _approvals()
    _jobs()
    _policy_revisions()
    _policy_proofs()
    _triggers()


def _table(name: str, *parts: Any) -> sa.Table:  # noqa: ANN401 - columns and constraints
    return op.create_table(name, *parts, sqlite_strict=True)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, TEXT, nullable=False) for name in names]


def _wholes(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, WHOLE, nullable=False) for name in names]


def _text_with(name: str, default: str) -> sa.Column[str]:
    return sa.Column(name, TEXT, nullable=False, server_default=default)


def _key(name: str, *parts: Any, kind: Any = TEXT) -> sa.Column[Any]:  # noqa: ANN401
    return sa.Column(name, kind, *parts, primary_key=True, autoincrement=False)


def _document() -> sa.ForeignKey:
    return sa.ForeignKey("documents.id", ondelete="CASCADE")


def _description() -> list[sa.Column[Any]]:
    return [
        *_texts("title", "media_type", "metadata", "label", "label_digest", "content_digest"),
        *_wholes("chunk_count"),
        _text_with("origins", "{}"),
    ]


def _partial_index(name: str, column: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "documents", [column], sqlite_where=condition, postgresql_where=condition)


def _sources() -> None:
    _table(
        "sources",
        _key("id"),
        sa.Column("name", SORTED, nullable=False),
        *_texts("kind", "root", "at", "label"),
        *_wholes("created_at"),
        sa.Column("last_run_at", WHOLE, nullable=True),
        _text_with("last_run", "{}"),
        sa.CheckConstraint("length(id) = 36", name="id"),
        sa.CheckConstraint("length(name) > 0 AND length(kind) > 0", name="filled"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("kind", "root"),
    )


def _documents() -> None:
    _table(
        "documents",
        _key("id"),
        *_texts("tenant"),
        sa.Column("uri", SORTED, nullable=False),
        *_description(),
        *_wholes("label_version", "projected_label_version", "live_version"),
        *_wholes("created_at", "updated_at"),
        sa.Column("label_revision", WHOLE, nullable=False, server_default="0"),
        _text_with("shares", "[]"),
        sa.Column("shares_next", WHOLE, nullable=True),
        _text_with("source", ""),
        sa.CheckConstraint("length(id) = 36", name="id"),
        sa.CheckConstraint("length(tenant) > 0 AND length(uri) > 0", name="source"),
        sa.CheckConstraint("label_version >= 1", name="label_version"),
        sa.CheckConstraint(
            "projected_label_version BETWEEN 0 AND label_version", name="projected_label_version"
        ),
        sa.CheckConstraint("live_version >= 0", name="live_version"),
        sa.CheckConstraint("chunk_count >= 1", name="chunk_count"),
        sa.UniqueConstraint("tenant", "uri"),
    )
    op.create_index("ix_documents_label_digest", "documents", ["label_digest"])
    op.create_index("ix_documents_source", "documents", ["source"])
    _partial_index("ix_documents_shares_next", "shares_next", "shares_next IS NOT NULL")
    _partial_index("ix_documents_unprojected", "id", "projected_label_version < label_version")


def _chunks() -> None:
    _table(
        "chunks",
        _key("id"),
        sa.Column("document_id", TEXT, _document(), nullable=False),
        *_wholes("version", "ordinal", "span_start", "span_end"),
        *_texts("text"),
        sa.CheckConstraint("length(id) = 36", name="id"),
        sa.CheckConstraint("version >= 1 AND ordinal >= 0", name="place"),
        sa.CheckConstraint("span_start >= 0 AND span_start < span_end", name="span"),
        sa.CheckConstraint("length(text) = span_end - span_start", name="text"),
        sa.UniqueConstraint("document_id", "version", "ordinal"),
    )


def _versions() -> None:
    _table(
        "pending_versions",
        _key("document_id", _document()),
        *_wholes("version"),
        *_description(),
        *_wholes("based_on_label_version", "begun_at"),
        sa.CheckConstraint("version >= 1", name="version"),
        sa.CheckConstraint("based_on_label_version >= 0", name="based_on_label_version"),
        sa.CheckConstraint("chunk_count >= 1", name="chunk_count"),
    )
    _table(
        "version_counters",
        _key("document_id"),
        *_wholes("last_version"),
        sa.Column("label_version", WHOLE, nullable=False, server_default="0"),
        sa.CheckConstraint("last_version >= 1", name="last_version"),
    )
    _table(
        "point_deletions",
        _key("document_id"),
        _key("version", kind=WHOLE),
        *_wholes("requested_at"),
        sa.CheckConstraint("version >= 1", name="version"),
    )


def _quarantine() -> None:
    _table(
        "quarantine",
        sa.Column("id", WHOLE, sa.Identity(), primary_key=True),
        *_texts("tenant", "uri", "reason", "content_digest"),
        *_wholes("first_seen", "last_seen"),
        sa.CheckConstraint("length(uri) > 0 AND length(reason) > 0", name="filled"),
        sa.UniqueConstraint("tenant", "uri"),
    )


def _heads() -> None:
    counters = ("policy", "refuted", "label")
    heads = _table(
        "heads",
        _key("id", kind=WHOLE),
        *_wholes(*counters),
        sa.CheckConstraint("id = 1", name="single"),
        sa.CheckConstraint("policy >= 0 AND refuted IN (0, 1) AND label >= 0", name="counts"),
    )
    op.bulk_insert(heads, [{"id": 1, **dict.fromkeys(counters, 0)}])
    _table(
        "collection_state",
        _key("id", kind=WHOLE),
        *_texts("label_schema_digest", "model_name", "model_digest"),
        *_wholes("created_at"),
        sa.CheckConstraint("id = 1", name="single"),
    )


def _audit() -> None:
    _table(
        "audit_events",
        _key("seq", kind=WHOLE),
        *_wholes("time"),
        *_texts("kind", "body", "previous", "hash"),
        sa.CheckConstraint("seq >= 1", name="seq"),
        sa.CheckConstraint("length(previous) = 64 AND length(hash) = 64", name="hashes"),
    )
    op.create_index("ix_audit_events_time", "audit_events", ["time"])
    _table(
        "audit_head",
        _key("id", kind=WHOLE),
        *_wholes("seq"),
        *_texts("hash", "mac"),
        sa.CheckConstraint("id = 1", name="single"),
        sa.CheckConstraint("seq >= 0", name="seq"),
        sa.CheckConstraint("length(hash) = 64 AND length(mac) = 64", name="hashes"),
    )
    _table("audit_resources", _key("resource"), _key("seq", kind=WHOLE), _text_with("reader", ""))
    op.create_index("ix_audit_resources_reader", "audit_resources", ["resource", "reader", "seq"])


def _directory() -> None:
    _table(
        "directory_users",
        *_entry("user"),
        *_texts("display_name"),
        *_wholes("active"),
        sa.Column("clearance", WHOLE, nullable=True),
        sa.Column("compartments", TEXT, nullable=True),
        sa.Column("attributes", TEXT, nullable=True),
        sa.CheckConstraint("active IN (0, 1)", name="active"),
        sa.CheckConstraint("clearance >= 0", name="clearance"),
    )
    _table("directory_groups", *_entry("group"))
    for name in ("directory_users", "directory_groups"):
        op.create_index(f"ix_{name}_external_id", name, ["tenant", "external_id"])
    _memberships("directory_user_memberships", "directory_users")
    _memberships("directory_group_memberships", "directory_groups")
    _table(
        "provisioners",
        _key("id"),
        *_texts("tenant", "service", "digest", "created_by"),
        *_wholes("created_at"),
        sa.Column("used_at", WHOLE, nullable=True),
        sa.Column("ends_at", WHOLE, nullable=True),
        sa.CheckConstraint("length(tenant) > 0 AND length(digest) = 64", name="filled"),
        sa.CheckConstraint("substr(service, 1, 8) = 'service:'", name="service"),
    )
    op.create_index("ix_provisioners_tenant", "provisioners", ["tenant"])
    _table(
        "revoked_tokens",
        *(_key(name) for name in ("tenant", "kind", "name")),
        *_wholes("until", "at"),
        *_texts("by"),
        sa.CheckConstraint("kind IN ('token', 'subject')", name="kind"),
        sa.CheckConstraint("length(tenant) > 0 AND length(name) > 0", name="filled"),
    )
    _table(
        "directory_heads",
        _key("tenant"),
        *_wholes("changes"),
        sa.CheckConstraint("length(tenant) > 0", name="tenant"),
        sa.CheckConstraint("changes >= 0", name="changes"),
    )


def _entry(kind: str) -> list[Any]:
    return [
        _key("id"),
        *_texts("tenant"),
        sa.Column("identity", SORTED, nullable=False),
        sa.Column("called", SORTED, nullable=False),
        *_texts("name", "external_id"),
        *_wholes("version", "created_at", "updated_at"),
        sa.CheckConstraint("length(id) = 36", name="id"),
        sa.CheckConstraint("length(tenant) > 0", name="tenant"),
        sa.CheckConstraint(f"substr(identity, 1, {len(kind) + 1}) = '{kind}:'", name="identity"),
        sa.CheckConstraint(f"substr(called, 1, {len(kind) + 1}) = '{kind}:'", name="called"),
        sa.CheckConstraint("version >= 1", name="version"),
        sa.UniqueConstraint("tenant", "identity"),
        sa.UniqueConstraint("tenant", "called"),
        sa.UniqueConstraint("id", "tenant"),
    ]


def _memberships(name: str, members: str) -> None:
    _table(
        name,
        _key("group_id"),
        _key("member_id"),
        *_texts("tenant"),
        *(
            sa.ForeignKeyConstraint(
                [column, "tenant"], [f"{owner}.id", f"{owner}.tenant"], ondelete="CASCADE"
            )
            for column, owner in (("group_id", "directory_groups"), ("member_id", members))
        ),
        sa.CheckConstraint("group_id <> member_id", name="other"),
    )
    op.create_index(f"ix_{name}_member_id", name, ["member_id"])


def _labels() -> None:
    _table(
        "label_changes",
        _key("document_id", _document()),
        _key("label_version", kind=WHOLE),
        *_texts("kind"),
        sa.Column("before", TEXT, nullable=True),
        *_texts("after", "by"),
        *_wholes("at"),
        *_texts("reason", "change_id"),
        sa.CheckConstraint("label_version >= 1", name="label_version"),
    )
    _table(
        "folder_labels",
        _key("tenant"),
        _key("path", kind=SORTED),
        *_texts("attributes", "by"),
        *_wholes("at", "version"),
        sa.CheckConstraint("version >= 1", name="version"),
        sa.CheckConstraint("length(tenant) > 0 AND length(path) > 0", name="filled"),
    )


def _approvals() -> None:
    name = "approvals"
    _table(
        name,
        _key("id"),
        *_texts("kind", "tenant"),
        sa.Column("about", SORTED, nullable=False),
        *_wholes("version"),
        *_texts("changes", "wanted", "by", "parties"),
        *_wholes("at"),
        *_texts("reason", "state"),
        sa.Column("decided_at", WHOLE, nullable=True),
        *_texts("decided_by"),
        sa.CheckConstraint(
            "length(id) = 36 AND length(about) > 0 AND length(by) > 0", name="filled"
        ),
        sa.CheckConstraint("kind IN ('label', 'folder', 'access')", name="kind"),
        sa.CheckConstraint("state IN ('open', 'granted', 'refused')", name="state"),
    )
    op.create_index(f"ix_{name}_about", name, ["tenant", "kind", "about"])
    op.create_index(f"ix_{name}_at", name, ["tenant", "at"])
    one_each = sa.text("kind = 'access'")
    op.create_index(
        f"ix_{name}_access",
        name,
        ["tenant", "by", "about"],
        unique=True,
        sqlite_where=one_each,
        postgresql_where=one_each,
    )


def _jobs() -> None:
    _table(
        "label_jobs",
        _key("id"),
        *_texts("tenant", "by", "asker", "request", "reason"),
        *_wholes("created_at"),
        sa.CheckConstraint("length(id) = 36", name="id"),
    )
    _table(
        "label_job_items",
        _key("job_id", sa.ForeignKey("label_jobs.id", ondelete="CASCADE")),
        _key("document_id"),
        *_wholes("expected_version"),
        *_texts("state", "detail"),
        sa.CheckConstraint("state IN ('pending', 'done', 'conflict', 'failed')", name="state"),
    )


def _policy_revisions() -> None:
    _table(
        "policy_revisions",
        _key("revision", kind=WHOLE),
        *_wholes("base"),
        *_texts("digest", "model", "rules", "matching", "tests", "author", "reason"),
        *_wholes("created_at"),
        sa.Column("activated_at", WHOLE, nullable=True),
        *_texts("activated_by"),
        _text_with("parties", "[]"),
        _text_with("texts_digest", ""),
        sa.CheckConstraint("revision >= 1 AND base >= 0 AND base < revision", name="numbers"),
        sa.CheckConstraint("length(digest) > 0 AND length(author) > 0", name="filled"),
    )


def _policy_proofs() -> None:
    _table(
        "policy_proofs",
        _key("revision", sa.ForeignKey("policy_revisions.revision"), kind=WHOLE),
        *_texts("state"),
        *_wholes("labels"),
        *_texts("mismatch"),
        *_wholes("updated_at"),
        sa.CheckConstraint("state IN ('sampled', 'proved', 'refuted')", name="state"),
        sa.CheckConstraint("labels >= 0", name="labels"),
    )


def _triggers() -> None:
    """Keep a revision as it is; only its activation is added, once."""
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_triggers()
    else:
        _postgresql_triggers()


def _sqlite_triggers() -> None:
    abort = f"BEGIN SELECT RAISE(ABORT, '{REASON}'); END"
    for name, event in (("change", "UPDATE"), ("go", "DELETE")):
        when = f"WHEN {_edited('IS NOT')} " if event == "UPDATE" else ""
        op.execute(
            f"CREATE TRIGGER policy_revisions_never_{name} BEFORE {event} ON policy_revisions "
            f"{when}{abort}"
        )


def _postgresql_triggers() -> None:
    op.execute(
        "CREATE FUNCTION policy_revisions_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{REASON}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for name, event, each in (
        ("change", "UPDATE", f"ROW WHEN ({_edited('IS DISTINCT FROM')})"),
        ("go", "DELETE", "ROW"),
        ("empty", "TRUNCATE", "STATEMENT"),
    ):
        op.execute(
            f"CREATE TRIGGER policy_revisions_never_{name} BEFORE {event} ON policy_revisions "
            f"FOR EACH {each} EXECUTE FUNCTION policy_revisions_refuse()"
        )


def _edited(differs: str) -> str:
    """Return the condition that anything but the first activation is changed."""
    fixed = " OR ".join(f"NEW.{name} {differs} OLD.{name}" for name in FIXED)
    again = " OR ".join(f"NEW.{name} {differs} OLD.{name}" for name in ONCE)
    return f"{fixed} OR (OLD.activated_at IS NOT NULL AND ({again}))"
