"""Every error of the records: none carries the text of a document or a value of a query."""

from __future__ import annotations

from acl.errors import AclError


class RecordsError(AclError):
    """Base of every error that the records raise on purpose."""


class RecordsUnavailableError(RecordsError):
    """The database cannot be reached or did not finish in time; nothing was acknowledged."""


class RecordsConflictError(RecordsError):
    """A write contradicts what is stored, so that nothing of it was stored."""


class UnstorableError(RecordsError):
    """A value has no faithful stored form: NUL, half a surrogate pair, a time without zone."""


class RecordsMismatchError(RecordsError):
    """The records were made for another schema, model or version of this program."""


class UnknownDocumentError(RecordsError):
    """No live document has this id."""

    def __init__(self, document_id: str) -> None:
        super().__init__(f"no live document has the id `{document_id}`")
        self.document_id = document_id


class StaleLabelError(RecordsError):
    """The label of record is no longer the one that the caller decided upon.

    Attributes:
        expected: the label version that the caller had seen.
        actual: the label version of record.
    """

    def __init__(self, document_id: str, *, expected: int, actual: int) -> None:
        super().__init__(
            f"document `{document_id}` carries label version {actual}, not {expected} as expected"
        )
        self.document_id = document_id
        self.expected = expected
        self.actual = actual


class StaleVersionError(RecordsError):
    """The pending version was abandoned, superseded by a later one, or is live already."""

    def __init__(self, document_id: str, version: int) -> None:
        super().__init__(f"version {version} of document `{document_id}` is not pending any more")
        self.document_id = document_id
        self.version = version


class AuditUnavailableError(RecordsError):
    """The event could not be made durable, so what it announces must not happen."""
