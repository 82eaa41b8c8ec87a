from __future__ import annotations

from rich.console import Console
from rich.text import Text

from retrieval.service.console import excerpt, safe, snippet, table


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
    assert len(snippet("word " * 100).plain) <= 280
    assert snippet("short").plain == "short"


def test_an_excerpt_begins_where_the_words_are() -> None:
    text = "The weather is fine. The budget is 4.2 million. It rains."
    assert excerpt(text, ["budget", "million"]).plain == "… The budget is 4.2 million. It rains."
    assert excerpt("One sentence", ["nothing"]).plain == "One sentence"
    assert isinstance(excerpt("", []), Text)
