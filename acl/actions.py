"""What can be asked for: the actions that a rule may name.

A rule with another action would never match a request, so that a misspelt deny would deny nothing;
such a rule is refused when the policy is proposed.
"""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """One action. Those on documents are decided on a label; the others on the asker's region.

    The region of an action such as `policy:edit` is the set of labels that its rules leave over:
    a rule on `/acme/finance/*` lets its holder change who may do what below that folder alone.
    """

    ACCESS_REVIEW = "access:review"
    """See who may read a document, who did, and why a person may not."""

    AUDIT_READ = "audit:read"
    """Read the record of who did what."""

    DIRECTORY_EDIT = "directory:edit"
    """Change users and groups."""

    DOCUMENT_DECLASSIFY = "document:declassify"
    """Lower a label, so that more people may read."""

    DOCUMENT_DELETE = "document:delete"
    """Delete a document."""

    DOCUMENT_READ = "document:read"
    """Find, list and fetch a document."""

    DOCUMENT_SHARE = "document:share"
    """Let another principal read a document, for a time or for good, and take that back."""

    DOCUMENT_TAG = "document:tag"
    """Change a label in a way after which no one may read more."""

    POLICY_ACTIVATE = "policy:activate"
    """Let a proposed revision take effect."""

    POLICY_ADMINISTER = "policy:administer"
    """Propose and activate anything: the model, and the rules of every tenant."""

    POLICY_EDIT = "policy:edit"
    """Propose changes to the rules of one's own tenant, within one's own rights."""

    POLICY_READ = "policy:read"
    """See the policy, its revisions and what a proposal would change."""
