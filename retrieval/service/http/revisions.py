"""At least which revisions an answer must regard, where a request has no body to say so."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from retrieval.rights.standing import AtLeast
from retrieval.service.api.messages import MAX_REVISION


def _at_least(
    min_revision: Annotated[
        int | None,
        Query(
            ge=1,
            le=MAX_REVISION,
            description="Refuse to answer under a policy older than this revision.",
        ),
    ] = None,
    min_label_revision: Annotated[
        int | None,
        Query(
            ge=1,
            le=MAX_REVISION,
            description="Refuse to answer without this change of a label, and all before it.",
        ),
    ] = None,
) -> AtLeast:
    return AtLeast(policy=min_revision or 0, label=min_label_revision or 0)


Revisions = Annotated[AtLeast, Depends(_at_least)]
"""The revisions that the query asks for."""
