from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from rich.console import Console
from rich.text import Text

from retrieval.service.cli.render import Shown, as_text, excerpt, fields_of, out, safe, show, table


def printed(thing: object) -> str:
    console = Console(width=80, force_terminal=True, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(thing)
    console.file.close()
    return console.export_text()


def test_a51_foreign_text_commands_no_terminal_and_no_markup() -> None:
    hostile = "a\x1b[31mred\x07\u202eevil\u200b [bold]b[/bold] \x9b2J\ue000"
    shown = safe(hostile).plain
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[bold]b[/bold]" in printed(table("", ("x",), [(hostile,)]))
    assert shown.count("�") == 6


def test_long_texts_are_cut() -> None:
    assert len(excerpt("word " * 100, []).plain) <= 280
    assert excerpt("short", []).plain == "short"


def test_an_excerpt_begins_where_the_words_are() -> None:
    text = "The weather is fine. The budget is 4.2 million. It rains."
    assert excerpt(text, ["budget", "million"]).plain == "… The budget is 4.2 million. It rains."
    assert excerpt("One sentence", ["nothing"]).plain == "One sentence"
    assert isinstance(excerpt("", []), Text)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(out, "_width", 80)


@pytest.mark.usefixtures("narrow")
def test_columns_are_as_wide_as_their_longest_word() -> None:
    row = (
        "2026-11-25 05:58",
        "service:operator",
        "raised",
        "x " * 60,
        "the board has asked for it",
    )
    lines = printed(table("", ("when", "who", "what", "change", "reason"), [row])).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert {"service:operator", "2026-11-25", "raised"} <= set(" ".join(lines).split())


@pytest.mark.usefixtures("narrow")
def test_rows_whose_words_do_not_fit_beside_each_other_are_blocks() -> None:
    names = ("acme/finance/" + "quarter" * 5, "user:" + "long" * 9)
    lines = printed(table("", ("document", "who"), [names, ("a", "b")])).splitlines()
    assert [line.split() for line in lines if line.strip()] == [
        ["document", names[0]],
        ["who", names[1]],
        ["document", "a"],
        ["who", "b"],
    ]


def test_a_table_without_rows_is_nothing() -> None:
    assert printed(table("Title", ("a", "b"), [])).strip() == ""


@dataclass(frozen=True)
class Part:
    name: str
    seen_last: bool


@dataclass(frozen=True)
class Answer:
    title: str
    digest: str
    parts: tuple[Part, ...] = ()


ANSWER = Answer("a\u202eb", "0123456789ab" + "f" * 52, (Part("\x1b[31mred", seen_last=True),))


def test_json_has_every_field_and_commands_no_terminal() -> None:
    text = as_text(ANSWER)

    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text) == {
        "title": "a\u202eb",
        "digest": ANSWER.digest,
        "parts": [{"name": "\x1b[31mred", "seen_last": True}],
    }


def test_an_answer_without_a_form_of_its_own_is_told_field_by_field() -> None:
    text = " ".join("".join(printed(line) for line in fields_of(ANSWER)).split())

    assert "title a�b digest 0123456789ab " in text
    assert "parts name seen last" in text
    assert text.endswith("�[31mred yes")


def test_what_is_printed_to_the_letter_is_json_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(Shown(ANSWER, raw="p, a, b\n"), as_json=False)
    show(Shown(ANSWER, raw="p, a, b\n"), as_json=True)

    raw, _, rest = capsys.readouterr().out.partition("\n")
    assert raw == "p, a, b"
    assert json.loads(rest)["title"] == "a\u202eb"
