"""The readers that run in the child: formats, encodings, HTML, mail, extraction."""

from __future__ import annotations

import pytest

from ingest.errors import FaultKind, ParseError
from ingest.read import extract as extract_module
from ingest.read.extract import detect, extract
from ingest.read.html_text import html_text
from ingest.read.mail_text import mail_text
from ingest.read.parsed import Format
from ingest.read.plain_text import decode
from tests.unit.ingest.documents import docx, pdf, zipped

OLE = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512)


def fault(name: str, content: bytes) -> tuple[FaultKind, str]:
    with pytest.raises(ParseError) as caught:
        extract(name, content)
    return caught.value.kind, caught.value.reason


class TestDetection:
    @pytest.mark.parametrize(
        ("name", "content", "expected"),
        [
            ("a.txt", b"text", Format.TEXT),
            ("NOTES", b"text", Format.TEXT),
            ("a.MD", b"# text", Format.MARKDOWN),
            ("a.htm", b"text", Format.HTML),
            ("page", b"<!---->" * 500 + b"no page", Format.TEXT),
            ("page", b"<!-- x -->\n<!DOCTYPE html><p>x", Format.HTML),
            ("a.txt", b"<html><p>x", Format.TEXT),
            ("a.eml", b"anything", Format.EMAIL),
            ("mail", b"From: a\nSubject: b\n\nbody", Format.EMAIL),
            ("a.txt", b"Received: x\n  by y\r\nTo: b\r\n\r\nbody", Format.EMAIL),
            ("a.txt", b"From: a\nSubject: b\nno header at all\n\nbody", Format.TEXT),
            ("a.txt", b"Subject: only one\n\nbody", Format.TEXT),
            ("a.csv", b"a,b\n1,2", Format.CSV),
            ("a.pdf", pdf("x"), Format.PDF),
            ("a.txt", pdf("x"), Format.PDF),
            ("a", b"\n%PDF-1.4", Format.PDF),
            ("a.docx", docx("x"), Format.DOCX),
            ("a.doc", docx("x"), Format.DOCX),
            ("a.pptx", zipped(**{"[Content_Types].xml": "", "ppt/x.xml": ""}), Format.PPTX),
            ("a.xlsx", zipped(**{"[Content_Types].xml": "", "XL\\x.xml": ""}), Format.XLSX),
            (
                "a.odt",
                zipped(mimetype="application/vnd.oasis.opendocument.text"),
                Format.ODT,
            ),
            ("a.epub", zipped(mimetype="application/epub+zip\n"), Format.EPUB),
            ("a.doc", OLE + "WordDocument".encode("utf-16-le"), Format.DOC),
            ("a.xls", OLE + "Workbook".encode("utf-16-le"), Format.XLS),
            ("a.msg", OLE + "__substg1.0_".encode("utf-16-le"), Format.MSG),
            ("a.doc", b"{\\rtf1 x}", Format.RTF),
            ("a.txt", "text".encode("utf-16"), Format.TEXT),
        ],
    )
    def test_content_and_name_together(self, name: str, content: bytes, expected: Format) -> None:
        assert detect(name, content) is expected

    @pytest.mark.parametrize(
        ("name", "content", "kind"),
        [
            ("a.exe", b"MZ", FaultKind.UNSUPPORTED),
            ("a.testcase", b"<html>", FaultKind.UNSUPPORTED),
            ("a.zip", zipped(a="b"), FaultKind.UNSUPPORTED),
            ("a.docx", zipped(a="b"), FaultKind.UNSUPPORTED),
            ("a.docx", zipped(mimetype="application/zip"), FaultKind.UNSUPPORTED),
            ("a.docx", zipped(**{"word/document.xml": ""}), FaultKind.UNSUPPORTED),
            ("a.docx", b"PK\x03\x04 cut off", FaultKind.BROKEN),
            ("a.docx", b"just text", FaultKind.BROKEN),
            ("a.pdf", b"just text", FaultKind.BROKEN),
            ("a.txt", b"\x7fELF\0\0", FaultKind.UNSUPPORTED),
            ("a.doc", OLE, FaultKind.UNSUPPORTED),
            ("a.docx", OLE + "EncryptedPackage".encode("utf-16-le"), FaultKind.ENCRYPTED),
        ],
    )
    def test_what_is_not_known_is_a_fault(self, name: str, content: bytes, kind: FaultKind) -> None:
        assert fault(name, content)[0] is kind

    def test_a_locked_entry_is_locked(self) -> None:
        content = bytearray(zipped(mimetype="application/epub+zip"))
        content[6] |= 1
        central = content.rindex(b"PK\x01\x02")
        content[central + 8] |= 1

        assert fault("a.epub", bytes(content)) == (FaultKind.ENCRYPTED, "is locked by a password")


class TestEncodings:
    @pytest.mark.parametrize(
        ("text", "encoding"),
        [
            ("Größe: “quoted”", "utf-8"),
            ("Größe: “quoted”", "utf-8-sig"),
            ("Größe: “quoted”", "utf-16"),
            ("Größe: “quoted”", "utf-32"),
            ("日本語のテキストです。これは長い文書の始まりです。" * 5, "shift_jis"),
            ("Привет, это довольно длинный документ на русском языке. " * 5, "koi8-r"),
        ],
    )
    def test_common_encodings_are_read(self, text: str, encoding: str) -> None:
        assert decode(text.encode(encoding)) == text

    def test_a_declared_encoding_is_believed_when_it_fits(self) -> None:
        raw = "日本".encode("shift_jis")

        assert decode(raw, declared="Shift_JIS") == "日本"
        assert decode(b'<meta charset="shift_jis">' + raw).endswith("日本")
        assert decode("Größe".encode(), declared="us-ascii") == "Größe"

    def test_an_encoding_that_is_none_is_not_looked_up(self) -> None:
        assert decode(b"\\u0041", declared="unicode_escape") == "\\u0041"
        assert decode("é".encode(), declared="cp9999") == "é"
        with pytest.raises(ParseError, match="unknown encoding"):
            decode(b"<meta charset=cp9999>" + b"\xff" * 50)

    def test_a_few_bad_bytes_do_not_lose_a_document(self) -> None:
        text = decode(b"\xff\xfe" + "text ".encode("utf-16-le") * 500 + b"\x00\xd8")

        assert text.startswith("text text")
        assert text.endswith("\ufffd")

    def test_bytes_that_are_no_text_are_a_fault(self) -> None:
        with pytest.raises(ParseError, match="unknown encoding"):
            decode(b"\xef\xbb\xbf" + b"\xff\xfe" * 50)

    def test_line_ends_and_nul(self) -> None:
        assert decode(b"a\r\nb\rc\0d\n") == "a\nb\ncd\n"


class TestHtml:
    def test_scripts_styles_and_comments_are_no_text(self) -> None:
        text, title = html_text(
            "<html><head><title>R&amp;D\n plan</title><style>.a{}</style></head><body>"
            "<script>var a='</p>x'</script><p>Seen <b>bold</b><!-- hidden --></p>"
            "<template>t</template><svg><text>s</text></svg>after<script>cut off"
        )

        assert title == "R&D plan"
        assert text == "Seen bold\n\nafter"

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("<table><tr><td>a1<td>b1</table>after", "a1 b1\n\nafter"),
            ("<div>one<div>two</div></div>three", "one\n\ntwo\n\nthree"),
            ("<nav>Nav</nav><footer>Foot</footer><form>Form</form>", "Nav\n\nFoot\n\nForm"),
            ("one<br>two<br/>three", "one\ntwo\nthree"),
            ("a <img alt='pic' src=x>b<img src=y>c", "a pic b c"),
            ("mid<i>word</i>s  and\n spaces&nbsp;too", "midwords and spaces too"),
            ("<svg><svg>a</svg>b</svg>c", "c"),
            ("<script/>gone</script>kept", "gone\n\nkept"),
            ("<title>T</title><body><title>again</title>x", "again\n\nx"),
            ("no tags & no entity", "no tags & no entity"),
            ("<" * 50, "<" * 50),
        ],
    )
    def test_no_words_are_lost(self, source: str, expected: str) -> None:
        assert html_text(source)[0] == expected


class TestMail:
    def test_headers_and_body_are_in_the_text(self) -> None:
        text, title = mail_text(
            b"Received: x\r\nFrom: =?utf-8?q?Andr=C3=A9?= <a@x.org>\r\nTo: b@x.org,\r\n c@x.org\r\n"
            b"Cc: d@x.org\r\nSubject: =?utf-8?b?SGVsbG8gd8O2cmxk?=\r\n"
            b"Date: Mon, 1 Jan 2024 10:00:00 +0000\r\n\r\nThe body.\r\n"
        )

        assert title == "Hello wörld"
        assert text == (
            "Subject: Hello wörld\nFrom: André <a@x.org>\nTo: b@x.org, c@x.org\nCc: d@x.org\n"
            "Date: Mon, 1 Jan 2024 10:00:00 +0000\n\nThe body."
        )

    def test_the_plain_alternative_is_taken_else_the_html(self) -> None:
        def mail(plain: str) -> bytes:
            return (
                "Subject: s\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=q\n\n"
                f"--q\nContent-Type: text/plain\n\n{plain}\n--q\nContent-Type: text/html\n\n"
                "<style>p{}</style><p>R&amp;D</p><script>x</script>\n--q--\n"
            ).encode()

        assert mail_text(mail("R&D, plainly"))[0] == "Subject: s\n\nR&D, plainly"
        assert mail_text(mail(" "))[0] == "Subject: s\n\nR&D"

    def test_forwarded_mail_is_read_and_attachments_are_not(self) -> None:
        text, _ = mail_text(
            b"Subject: outer\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=q\n\n"
            b"--q\nContent-Type: text/plain; charset=latin-1\nContent-Transfer-Encoding: "
            b"quoted-printable\n\ncaf=E9\n--q\nContent-Type: text/plain\nContent-Disposition: "
            b"attachment; filename=a.txt\n\nattached\n--q\nContent-Type: image/png\n\nxx\n"
            b"--q\nContent-Type: message/rfc822\n\nSubject: inner\n\ninside\n--q--\n"
        )

        assert text == "Subject: outer\n\ncafé\n\nSubject: inner\n\ninside"

    def test_malformed_headers_do_not_lose_the_mail(self) -> None:
        text, title = mail_text(
            b"Subject: =?nonsense?b?!!!?= \xff\nFrom: =?utf-8?q?=\n"
            b"Content-Type: multipart/mixed\n\nbody\n"
        )

        assert title
        assert "body" in text or "Subject:" in text

    def test_a_mail_with_endless_parts_is_cut(self) -> None:
        part = b"--q\nContent-Type: text/plain\n\npart\n"
        head = b"Subject: s\nContent-Type: multipart/mixed; boundary=q\n\n"

        assert mail_text(head + part * 3000 + b"--q--\n")[0].count("part") < 1001


class TestExtraction:
    def test_front_matter_is_not_in_the_text(self) -> None:
        parsed = extract("a.md", b"---\r\ntitle: T\r\n---\r\n# The heading #\r\n\r\nWords.\r\n")

        assert parsed.front_matter == "title: T\n"
        assert parsed.text == "# The heading #\n\nWords.\n"
        assert (parsed.title, parsed.format) == ("The heading", Format.MARKDOWN)
        assert parsed.media_type == "text/markdown"

    def test_front_matter_that_is_not_closed_is_a_fault(self) -> None:
        kind, reason = fault("a.txt", b"---\nlabel: x\nbody")

        assert kind is FaultKind.BROKEN
        assert "not closed" in reason

    def test_a_yaml_file_is_text_from_its_first_line_on(self) -> None:
        parsed = extract("a.yaml", b"---\nlabel: x\n")

        assert (parsed.text, parsed.front_matter) == ("---\nlabel: x\n", None)

    def test_html_and_mail_carry_their_titles(self) -> None:
        assert extract("a.html", b"<title>T</title><p>x").title == "T"
        assert extract("a.eml", b"Subject: S\nFrom: f\n\nx").title == "S"

    def test_a_word_document(self) -> None:
        parsed = extract("a.docx", docx("Hello"))

        assert (parsed.text.strip(), parsed.format) == ("Hello", Format.DOCX)

    def test_every_page_of_a_pdf_is_read(self) -> None:
        parsed = extract("a.pdf", pdf("First page", "Second page"))

        assert parsed.text.split("\n\n") == ["First page", "Second page"]

    def test_a_locked_pdf_is_locked(self) -> None:
        lock = (
            b"<< /Filter /Standard /V 2 /R 3 /Length 128 /P -4 /O <"
            + b"00" * 32
            + b"> /U <"
            + b"00" * 32
            + b"> >>"
        )
        content = pdf("x").replace(b"/Root 1 0 R", b"/Root 1 0 R /ID [<00> <00>] /Encrypt " + lock)

        assert fault("a.pdf", content) == (FaultKind.ENCRYPTED, "is locked by a password")

    def test_running_out_of_memory_is_not_the_files_fault(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def hungry(*_: object, **__: object) -> None:
            raise MemoryError

        monkeypatch.setattr(extract_module, "extract_bytes_sync", hungry)
        with pytest.raises(MemoryError):
            extract("a.csv", b"a,b")

    def test_a_table_in_a_legacy_encoding(self) -> None:
        assert "Größe" in extract("a.csv", "name;size\nGröße;3\nMaß;4\n".encode("cp1252")).text

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.txt", b""),
            ("a.txt", b" \n\t"),
            ("a.html", b"<script>x</script>"),
            ("a.md", b"---\ntitle: T\n---\n\n"),
            ("a.docx", docx("")),
            ("a.pdf", pdf("")),
        ],
    )
    def test_no_text_is_a_fault(self, name: str, content: bytes) -> None:
        kind, reason = fault(name, content)

        assert kind is FaultKind.NO_TEXT
        assert reason.startswith("no text found")

    def test_a_broken_file_is_a_fault_that_does_not_quote_it(self) -> None:
        kind, reason = fault("a.pdf", b"%PDF-1.4 the secret words")

        assert (kind, reason) == (FaultKind.BROKEN, "cannot be read as pdf")

    def test_too_much_text_is_a_fault(self) -> None:
        assert fault("a.txt", b"x" * 10_000_001)[0] is FaultKind.TOO_LARGE

    def test_an_external_entity_is_not_resolved(self) -> None:
        prologue = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'

        assert extract("a.docx", docx("a&x;b", prologue=prologue)).text.strip() == "ab"

    def test_nested_entities_do_not_expand(self) -> None:
        entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
        prologue = f'<!DOCTYPE d [<!ENTITY e0 "lol">{entities}]>'

        assert len(extract("a.docx", docx("a&e11;b", prologue=prologue)).text) < 100

    def test_a_zip_bomb_is_a_fault(self) -> None:
        kind, reason = fault("a.docx", docx("A" * (120 << 20)))

        assert (kind, reason) == (FaultKind.TOO_LARGE, "unpacks to more than is allowed")
