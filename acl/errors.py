"""Every error of the core, a sentence with its facts attached; and the budget that ends in one.

Messages are lower-case, without a full stop, with input in backticks. A leaf class names what went
wrong in the words of the domain; a caller decides by class, never by text.
"""

from __future__ import annotations

from dataclasses import dataclass


class AclError(Exception):
    """Base of every error that the core raises on purpose."""


class SchemaError(AclError):
    """`labels.toml` declares something that cannot be typed, stored or filtered."""


@dataclass(frozen=True, slots=True)
class LabelFault:
    """One attribute of a label and why it cannot be accepted."""

    attribute: str
    reason: str

    def __str__(self) -> str:
        return f"`{self.attribute}`: {self.reason}"


class LabelError(AclError):
    """A label is incomplete or holds a value of another type than the schema declares."""

    def __init__(self, faults: tuple[LabelFault, ...]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one place of a policy cannot be enforced inside the query.

    Attributes:
        where: the file and its line, as `policy.csv line 7`, counted from 1.
        operator: what is refused, as its author wrote it.
        reason: one sentence for the person who wrote the rule.
        column: the name of the row's column, or `""`.
        position: where it begins in the line of `model.conf`, or in the row's column, counted
            from 1; 0 if that is not known.
    """

    where: str
    operator: str
    reason: str
    column: str = ""
    position: int = 0

    def __str__(self) -> str:
        place = f"{self.where}, column `{self.column}`" if self.column else self.where
        if self.position:
            place += f", position {self.position}"
        return f"{place}: `{self.operator}`: {self.reason}"


@dataclass(frozen=True, slots=True)
class Caution:
    """A line of a policy that is admitted and may do something else than its author meant.

    Attributes:
        where: the file, and the line of a row.
        value: what stands there.
        reason: what is odd about it.
        column: the name of the row's column, or `""`.
        nearest: a known name that looks like it, or `""`.
    """

    where: str
    value: str
    reason: str
    column: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        place = f"{self.where}, column `{self.column}`" if self.column else self.where
        hint = f"; did you mean `{self.nearest}`?" if self.nearest else ""
        return f"{place}: `{self.value}`: {self.reason}{hint}"


class PolicyError(AclError):
    """A policy was refused as a whole; nothing of it takes effect."""

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        super().__init__("\n".join(map(str, refusals)))
        self.refusals = refusals


class RequestError(AclError):
    """A request's subject, action or context holds a value that cannot be decided upon."""


class FilterTooLargeError(AclError):
    """A subject's filter exceeds the documented limit, so the request is refused."""


class IdentityError(AclError):
    """A name from outside names no principal; the text says why and does not repeat it."""


class UndecidedError(AclError):
    """Whether one condition contains another was not found out; the caller refuses."""


@dataclass(slots=True)
class Budget:
    """How many steps may still be taken; a step takes about a microsecond."""

    left: int

    def spend(self, steps: int = 1) -> None:
        """Take steps.

        Raises:
            UndecidedError: none are left.
        """
        self.left -= steps
        if self.left < 0:
            raise UndecidedError("this is too much to decide; make the change smaller")
