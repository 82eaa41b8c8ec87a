"""What is written is what takes effect: the cases of text, and siblings of each kind."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import Final

import pytest

from acl.admission.reading import read_policy
from acl.decision import Permitted
from acl.errors import PolicyError
from acl.labels import LabelSchema
from acl.language.rules_file import read_rows
from acl.policy.decide import decide, request_of
from acl.policy.policy import load
from acl.predicate import holds
from tests.unit.acl.default_policy import ADA, FOLDER, MODEL, NOW, ROWS, SCHEMA, label

CASES: Final = Path(__file__).parents[4].parent / "shared" / "cases" / "policies"
LINE: Final = 1 + next(
    number for number, line in enumerate(MODEL.split("\n")) if line.startswith("m =")
)
ROW: Final = "p, group:sales, acme, /crm/*, document:read, {when}, allow"
NEXT: Final = ROWS.count("\n") + 1


def refusals(model: str = MODEL, rows: str = ROWS, schema: LabelSchema = SCHEMA) -> list[str]:
    try:
        read_policy(model, rows, schema)
    except PolicyError as error:
        return [str(one) for one in error.refusals]
    return []


def of_row(row: str) -> list[str]:
    return refusals(rows=f"{ROWS}{row}\n")


@pytest.mark.parametrize(
    ("name", "begin", "words"),
    [
        ("comment-in-matcher", "model.conf line 11: ", "what follows it would not take effect"),
        ("blank-line-in-matcher", "model.conf line 11: ", "an empty line ends the value"),
        ("two-matcher-lines", "model.conf line 11: `m`", "defined twice, in lines 10 and 11"),
        ("second-section", "model.conf line 12: `[matchers]`", "twice, in lines 9 and 12"),
        ("second-effect", "model.conf line 12: `[policy_effect]`", "twice, in lines 7 and 12"),
        ("rows-of-unused-definition", "policy.csv line 2: `p2`", "no definition in use"),
        ("links-of-unused-kind", "policy.csv line 4: `g2`", "neither the matcher nor a rule"),
        ("eval-in-triple-quotes", "model.conf line 10, position 211", "three quotes"),
        ("ligature-in-eval", "model.conf line 10, position 204", "plain ASCII letters"),
        ("parser-names-python-and", "model.conf line 10, position 151: `&`", "write `&&`"),
        ("parser-names-one-equals", "model.conf line 10, position 110: `=`", "write `==`"),
        ("parser-names-startswith", "`r.obj.path.startswith`: ", "keyMatch"),
        ("number-as-condition", "`r.sub.clearance`: ", "is a number, not true or false"),
        ("semicolons", "policy.csv line 1: `;`", "parted by semicolons; use commas"),
    ],
)
def test_a_case_is_refused_at_its_place(name: str, begin: str, words: str) -> None:
    rows = CASES / f"{name}.policy.csv"
    if not rows.exists():
        pytest.skip("the cases are not beside this checkout")
    model = CASES / f"{name}.model.conf"

    said = refusals(model.read_text() if model.exists() else MODEL, rows.read_text())

    assert any(begin in one and words in one for one in said), said
    assert len(said) == (3 if name == "rows-of-unused-definition" else 1)
    assert not any(word in one for one in said for word in ("BitAnd", "r_obj", "p_eft"))


@pytest.mark.parametrize("name", ["byte-order-mark", "dots-in-literals"])
def test_a_case_takes_effect_as_it_reads(name: str) -> None:
    rows = CASES / f"{name}.policy.csv"
    if not rows.exists():
        pytest.skip("the cases are not beside this checkout")
    model = CASES / f"{name}.model.conf"

    assert (
        refusals(model.read_text() if model.exists() else f"\ufeff{MODEL}", rows.read_text()) == []
    )


def test_every_row_of_the_cases_of_text_is_refused() -> None:
    file = CASES / "cases.toml"
    if not file.exists():
        pytest.skip("the cases are not beside this checkout")
    wanted = {"lower-case-true", "wrong-number-of-columns", "unknown-action"}
    for case in tomllib.loads(file.read_text())["case"]:
        if case["id"] in wanted:
            for row in case["input"].strip().split("\n"):
                (said,) = of_row(row)
                assert said.startswith(f"policy.csv line {NEXT}")


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("true", "position 1: `true`: is not known; write `True`"),
        ("r.obj.owner = r.sub.id", "position 13: `=`: compares nothing; write `==`"),
        ("", "position 1: `expression`: is empty; write `True` for no condition"),
        (
            "obj.owner == r.sub.id",
            "position 1: `obj.owner`: is not defined by the model; did you mean",
        ),
        ("r.obj.owner == user:ada", "position 20: `:`: stands only inside quotes"),
        ("True && r.env.hour >= 8", "`r.env.hour`: is not defined by the model; there is `r.sub`"),
        ("r.object.owner == r.sub.id", "`r.object.owner`: is not defined by the model; there is"),
        ('"keymatch(r.obj.path, ""/x/*"")"', "`keymatch`: is not a function of Casbin or of the"),
        ("True && r.sub.department", "position 9: `r.sub.department`: a subject has only"),
        ("1", "`1`: is a number, not true or false"),
        ("r.obj.owner in r.sub.id", "asks for a part of the text"),
        ('"r.sub.id == ""a&&b"""', "holds `&&`, and Casbin rewrites it even inside a literal"),
    ],
)
def test_a_mistake_in_a_condition_is_reported_once_at_its_row(when: str, said: str) -> None:
    (found,) = of_row(ROW.format(when=when))

    assert found.startswith(f"policy.csv line {NEXT}, column `when`")
    assert said in found


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("document:raed", "document:read"), ("read", "document:read"), ("Tag", "document:tag"),
        ("policy:admin", "policy:administer"), ("document.read", "document:read"),
    ],
)  # fmt: skip
def test_an_unknown_action_is_shown_beside_the_nearest(written: str, meant: str) -> None:
    said = of_row(ROW.format(when="True").replace("document:read", written))

    assert any(one.endswith(f"is not an action; did you mean `{meant}`?") for one in said), said


def test_an_action_that_is_like_none_is_shown_beside_all() -> None:
    said = of_row(ROW.format(when="True").replace("document:read", "zzz"))

    assert any("there is access:review, audit:read" in one for one in said)


def test_a_fault_of_the_matcher_is_reported_once_whatever_the_rows() -> None:
    text = SCHEMA_TEXT + '\n[label.expires]\ntype = "datetime"\nrequired = false\n'
    model = MODEL.replace("&& eval(p.when)", '&& eval(p.when) && r.obj.expires > "soon"')

    (said,) = refusals(model, ROWS, LabelSchema.from_toml(text))

    assert said.startswith(f"model.conf line {LINE}, position")
    assert '`"soon"`: is no moment' in said


SCHEMA_TEXT: Final = (FOLDER / "labels.toml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("(p.eft == allow))", "(p.eft==allow))", "`some(where (p.eft==allow))"),
        ("[matchers]", "[matcher]", "did you mean [matchers]?"),
        ("g = _, _, _, (_, _)", "", "`g`: is not defined by the model; a row begins with `p`"),
        ("&& r.act == p.act", "\\\n  && r.act = p.act", f"line {LINE + 1}, position 12: `=`"),
        ("r.act == p.act", "r.act == p.action", "`p.action`: is not defined by the model; there"),
        ("keyMatch(r.obj", "keyMatchs(r.obj", "did you mean `keyMatch`?"),
    ],
)
def test_a_mistake_in_the_model_is_said_in_the_words_of_its_author(
    old: str, new: str, said: str
) -> None:
    found = refusals(MODEL.replace(old, new))

    assert said in found[0]
    assert "p_eft" not in found[0]


DROPPED: Final = ("# a remark", "; a remark", "", "   ")


@pytest.mark.parametrize("seed", range(100))
def test_no_continued_matcher_loses_a_line(seed: int) -> None:
    dice = random.Random(seed)
    parts = next(line for line in MODEL.split("\n") if line.startswith("m =")).split(" && ")
    at = dice.randrange(1, len(parts))
    lines = [f"{' && '.join(parts[:at])} \\", f"  && {' && '.join(parts[at:])}"]
    whole = MODEL.replace(" && ".join(parts), "\n".join(lines))
    broken = MODEL.replace(" && ".join(parts), f"\n{dice.choice(DROPPED)}\n".join(lines))

    assert refusals(whole) == []
    assert refusals(broken)[0].startswith(f"model.conf line {LINE + 1}: ")


@pytest.mark.parametrize("seed", range(30))
def test_a_name_with_initials_bans_whom_it_names(seed: int) -> None:
    dice = random.Random(seed)
    name = f"user:{dice.choice('pr')}{dice.choice(('', '2'))}.{dice.choice(('smith', 'p.r', 'x'))}"
    rows = f'p, user:*, acme, /*, document:read, "r.obj.owner == ""{name}""", allow\n'
    model = MODEL.replace(
        "(g(r.sub.id, p.sub, r.sub.tenant) || p.sub in r.sub.groups)", "keyMatch(r.sub.id, p.sub)"
    ).replace("g = _, _, _, (_, _)", "")
    policy = load(model.replace("[role_definition]", ""), read_rows(rows), SCHEMA)
    oracle = policy.oracle(NOW)

    for owner in (name, name.replace(".", "_"), "user:ada"):
        mine = label(owner=owner)
        request = request_of(policy, ADA, "document:read", NOW)
        allowed = oracle.enforce(request["sub"], dict(mine.values), request["act"])
        decision = decide(policy, ADA, "document:read", NOW)
        assert isinstance(decision, Permitted)
        assert holds(decision.predicate, mine) is allowed is (owner == name)
