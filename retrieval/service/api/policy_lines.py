"""What is told of the lines of a policy: what each new one touches, and what is odd about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from pydantic import Field

from acl.errors import Caution
from acl.language.rules_file import POLICY_FILE
from acl.preview.touches import Touch
from retrieval.service.http.bodies import Answered


class Warned(Answered):
    """A line that is admitted and may not do what its author meant."""

    where: str = Field(description="The file, and the line of a row.")
    column: str
    value: str
    reason: str
    nearest: str = Field(description='A known name that looks like it, or `""`.')


class TouchedLine(Answered):
    """What one new line touches today."""

    line: int
    row: str
    people: int = Field(description="Of those who were seen asking.")
    documents: int = Field(description="Of those that were counted.")
    why_none: str = Field(description='Why it touches nobody or nothing, or `""`.')

    @classmethod
    def of(cls, touch: Touch, cautions: Iterable[Caution]) -> TouchedLine:
        """Return the line as it is sent."""
        place = f"{POLICY_FILE} line {touch.line}"
        odd = next((one.reason for one in cautions if one.where == place), "")
        none = "" if touch.documents else "no document that there is now meets it"
        none = none if touch.people else odd or none
        return cls(**asdict(touch), why_none=none)
