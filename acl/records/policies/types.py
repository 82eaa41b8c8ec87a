"""The values of policy revisions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from acl.records.database.storable import checked_text


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionTexts:
    """What a revision says: `model.conf` and `policy.csv`, to the letter."""

    model: str
    rules: str

    def __post_init__(self) -> None:
        checked_text("model", self.model)
        if self.rules:
            checked_text("rules", self.rules)

    @property
    def digest(self) -> str:
        """The digest of both texts to the letter."""
        return digest_of(self.model, self.rules)


def digest_of(model: str, rules: str) -> str:
    """Return the digest of both texts, where one ends and the other begins included."""
    parts = model.encode(), rules.encode()
    framed = b"".join(len(one).to_bytes(8, "big") + one for one in parts)
    return hashlib.sha256(framed).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRevision:
    """A proposal.

    Attributes:
        texts: of an admitted policy.
        digest: of that policy.
        base: the revision in effect on which it was made, 0 for the first.
        author: who proposes it.
        reason: why, in words for those who read the log; may be empty.
        parties: whoever stands behind it, such as `acme/user:ada`; a name without a tenant is of
            every tenant. By default the author.
    """

    texts: RevisionTexts
    digest: str
    base: int
    author: str
    reason: str
    parties: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.parties:
            object.__setattr__(self, "parties", (self.author,))
        checked_text("digest", self.digest)
        checked_text("author", self.author)
        if self.reason:
            checked_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class PolicyRevision:
    """A revision, without its texts.

    Attributes:
        base: the revision that was in effect when it was proposed.
        activated_at: when it took effect, or `None`.
        activated_by: who let it take effect, or `""`.
        parties: whoever stands behind the proposal; see `NewRevision`.
    """

    revision: int
    base: int
    digest: str
    author: str
    reason: str
    created_at: datetime
    activated_at: datetime | None
    activated_by: str
    parties: tuple[str, ...]


class ProofState(StrEnum):
    """What is known of a revision.

    `sampled`: the gate was passed. `proved`: the whole plan was compared, and nothing differs.
    `refuted`: a pair differs, whether a proof found it or the shadow; nothing changes that.
    """

    SAMPLED = "sampled"
    PROVED = "proved"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A counter-example in words.

    Attributes:
        tenant: of the role and of the label; `""` if they are of two.
        text: who, what, about which label.
    """

    tenant: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What is kept of a proof of a revision.

    Attributes:
        labels: distinct labels of live documents that it was about.
        mismatches: some counter-examples.
    """

    state: ProofState
    labels: int
    updated_at: datetime
    mismatches: tuple[Mismatch, ...] = ()
