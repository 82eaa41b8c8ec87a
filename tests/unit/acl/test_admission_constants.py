"""A condition that fails whoever asks is refused, where one that depends on the asker is not."""

from __future__ import annotations

import pytest

from tests.unit.acl.admission.test_admission import RULE, refused
from tests.unit.acl.default_policy import policy


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("1/0 == 1", "`1/0 == 1`: holds a part that raises for every request"),
        ("r.obj.owner == r.sub.id && 1/0 == 1", "holds a part that raises"),
        ("!(1/0 == 1) || r.obj.owner == r.sub.id", "holds a part that raises"),
        ("'a' < 1", "holds a part that raises"),
        ("5", "`5`: is a number, not true or false"),
        ("p.sub", "`p.sub`: is a text of the row, not true or false"),
    ],
)
def test_a_constant_that_fails_for_everybody_is_refused_by_line(
    condition: str, reason: str
) -> None:
    rows = "# first\n" + RULE.replace("True", condition)

    (found,) = refused(rows)

    assert found.startswith("policy.csv line 2, column `when`:")
    assert reason in found


@pytest.mark.parametrize(
    "condition",
    ["True", "1 == 1", "p.sub == 'group:everyone'", "r.sub.clearance / 0 == 1", "1 < 2 || False"],
)
def test_what_somebody_can_satisfy_is_admitted(condition: str) -> None:
    assert policy(RULE.replace("True", condition)).rules
