"""From texts to an admitted policy: `model.conf`, `policy.csv`, and the files beside them.

A policy is read strictly and as a whole, whether it comes from a folder, from a proposal or from
the records, by the one road in this file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acl.admission.reading import read_policy
from acl.decision import guard
from acl.errors import PolicyError, Refusal
from acl.gates.policy_tests import TESTS_FILE, read_tests
from acl.labels import LabelSchema
from acl.language.matching_file import MATCHING_FILE
from acl.language.model_file import MODEL_FILE
from acl.language.rules_file import POLICY_FILE
from acl.policy.policy import Policy
from acl.records import RevisionTexts

LABELS_FILE: Final = "labels.toml"
MAX_FILE_BYTES: Final = 16 * 1024 * 1024

MAX_LINES: Final = 20_000
"""Lines of a policy.csv that is proposed or previewed."""

MAX_LINE: Final = 64 * 1024
"""Characters of one of them; an expression is parsed in one go, while nothing else runs."""

MAX_MODEL: Final = 64 * 1024
"""Characters of a model or of matching functions, for the same reason."""

MAX_TESTS: Final = 256 * 1024
"""Characters of the tests of a policy."""


@dataclass(frozen=True, slots=True, eq=False)
class PolicySource:
    """A policy with the texts that it was read from."""

    texts: RevisionTexts
    policy: Policy


def source_of(texts: RevisionTexts, schema: LabelSchema) -> PolicySource:
    """Return the admitted policy that `texts` say.

    Raises:
        PolicyError: with every place that is refused.
        SchemaError: the schema has no tenant to guard by.
    """
    guard(schema, "any")
    policy = read_policy(texts.model, texts.rules, schema, texts.matching)
    return PolicySource(texts, policy)


def bounded_source(texts: RevisionTexts, schema: LabelSchema) -> PolicySource:
    """Return the admitted policy that `texts` say, if they are not too large to be read here.

    Raises:
        PolicyError: with every place that is refused.
        SchemaError: the schema has no tenant to guard by.
    """
    refusals = tuple(_too_large(texts))
    if refusals:
        raise PolicyError(refusals)
    return _with_tests(source_of(texts, schema))


def _with_tests(source: PolicySource) -> PolicySource:
    """Read the tests too. A policy in effect goes without: a test is no reason not to start.

    Raises:
        PolicyError: with every place that is refused.
    """
    read_tests(source.texts.tests, source.policy.schema)
    return source


def _too_large(texts: RevisionTexts) -> Iterator[Refusal]:
    for name, text, most in (
        (MODEL_FILE, texts.model, MAX_MODEL),
        (MATCHING_FILE, texts.matching, MAX_MODEL),
        (TESTS_FILE, texts.tests, MAX_TESTS),
    ):
        if len(text) > most:
            yield Refusal(name, "file", f"has more than {most} characters")
    lines = texts.rules.split("\n", MAX_LINES + 1)
    if len(lines) - (not lines[-1]) > MAX_LINES:
        yield Refusal(POLICY_FILE, "file", f"has more than {MAX_LINES} lines")
        return
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE:
            reason = f"has more than {MAX_LINE} characters"
            yield Refusal(f"{POLICY_FILE} line {number}", "row", reason)


def read_source(folder: Path) -> PolicySource:
    """Return the admitted policy in `folder`.

    Raises:
        PolicyError: with every place that is refused.
        SchemaError: labels.toml cannot be used.
    """
    return _with_tests(source_of(read_texts(folder), read_schema(folder)))


def read_schema(folder: Path) -> LabelSchema:
    """Return the label schema in `folder`.

    Raises:
        PolicyError: the file cannot be read.
        SchemaError: it cannot be used.
    """
    return LabelSchema.from_toml(read_labels(folder))


def read_labels(folder: Path) -> str:
    """Return the content of `labels.toml`.

    Raises:
        PolicyError: the file cannot be read.
    """
    return _text(folder, LABELS_FILE)


def read_texts(folder: Path) -> RevisionTexts:
    """Return the texts of the policy in `folder`, not yet read as a policy.

    Raises:
        PolicyError: a file cannot be read.
        UnstorableError: the model is empty.
    """
    return RevisionTexts(
        model=_text(folder, MODEL_FILE),
        rules=_text(folder, POLICY_FILE),
        matching=_text(folder, MATCHING_FILE, optional=True),
        tests=_text(folder, TESTS_FILE, optional=True),
    )


def _text(folder: Path, name: str, *, optional: bool = False) -> str:
    """Return what a file holds; `""` if it need not be there and is not."""
    try:
        with (folder / name).open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise PolicyError((Refusal(name, "file", f"is larger than {MAX_FILE_BYTES} bytes"),))
        return content.decode("utf-8-sig")
    except OSError as error:
        if optional and folder.is_dir() and not os.path.lexists(folder / name):
            return ""
        reason = f"cannot be read in the folder `{folder}`: {error.strerror}"
        raise PolicyError((Refusal(name, "file", reason),)) from error
    except UnicodeDecodeError as error:
        raise PolicyError((Refusal(name, "file", "is not UTF-8; save it as UTF-8"),)) from error
