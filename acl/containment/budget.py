"""How long a search may go on: a count of steps, and the error when it is used up."""

from __future__ import annotations

from dataclasses import dataclass

from acl.errors import AclError


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
