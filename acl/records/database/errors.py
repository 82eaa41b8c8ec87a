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


class StaleFolderError(RecordsError):
    """The label of a folder is no longer the one that the caller decided upon."""

    def __init__(self, path: str, *, expected: int, actual: int) -> None:
        super().__init__(f"the label of folder `{path}` is version {actual}, not {expected}")
        self.path = path
        self.expected = expected
        self.actual = actual


class FoldersMovedOnError(RecordsError):
    """What is set for folders changed after a label was put together from it."""

    def __init__(self, tenant: str) -> None:
        super().__init__(f"what is set for folders of `{tenant}` changed meanwhile")
        self.tenant = tenant


class StaleVersionError(RecordsError):
    """The pending version was abandoned, superseded by a later one, or is live already."""

    def __init__(self, document_id: str, version: int) -> None:
        super().__init__(f"version {version} of document `{document_id}` is not pending any more")
        self.document_id = document_id
        self.version = version


class UnknownRevisionError(RecordsError):
    """There is no revision of this number, or its text was not kept."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"there is no policy revision {revision} whose text was kept")
        self.revision = revision


class AlteredRevisionError(RecordsError):
    """The texts of a revision are not those that were recorded, so nothing may rest on them."""

    def __init__(self, revision: int) -> None:
        super().__init__(
            f"the texts of policy revision {revision} were altered after they were recorded"
        )
        self.revision = revision


class RefutedRevisionError(RecordsError):
    """A proof of this revision found a difference, so it can never take effect."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"the proof of policy revision {revision} found a difference")
        self.revision = revision


class StalePolicyError(RecordsError):
    """Another revision is in effect than the one that was decided upon.

    Attributes:
        expected: the revision that the caller took for the one in effect.
        actual: the revision in effect.
    """

    def __init__(self, *, expected: int, actual: int) -> None:
        super().__init__(f"revision {actual} is in effect; the change was made on {expected}")
        self.expected = expected
        self.actual = actual


class UnprovedLabelsError(RecordsError):
    """Live documents carry labels on which the revision was not proved.

    Attributes:
        digests: of those labels.
    """

    def __init__(self, digests: tuple[str, ...]) -> None:
        super().__init__(f"the revision was not proved on {len(digests)} live label(s)")
        self.digests = digests


class MovedOnError(RecordsError):
    """Policy or memberships changed while a request was answered; nothing of it was released."""

    def __init__(self) -> None:
        super().__init__("policy or memberships changed meanwhile")


class AuditUnavailableError(RecordsError):
    """The event could not be made durable, so what it announces must not happen."""


class DirectoryFaultError(RecordsError):
    """A user or group cannot be kept as it was given.

    Attributes:
        attribute: the field of `UserState` or `GroupState` that is to blame.
        reason: why; it repeats no value.
    """

    def __init__(self, attribute: str, reason: str) -> None:
        super().__init__(f"`{attribute}` {reason}")
        self.attribute = attribute
        self.reason = reason


class TakenIdentityError(RecordsConflictError):
    """Another user or group of the tenant has this name."""

    def __init__(self, identity: str) -> None:
        super().__init__(f"`{identity}` is another entry of this tenant")
        self.identity = identity


class UnknownEntryError(RecordsError):
    """The tenant has no user or group of this id."""

    def __init__(self, entry_id: str) -> None:
        super().__init__(f"the directory has no entry `{entry_id}`")
        self.entry_id = entry_id


class StaleEntryError(RecordsError):
    """A user or group is no longer the one that the change was made on."""

    def __init__(self, *, expected: int, actual: int) -> None:
        super().__init__(f"the entry is at version {actual}; the change was made on {expected}")
        self.expected = expected
        self.actual = actual
