from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from acl.labels import LabelSchema
from ingest.errors import SourceError
from ingest.label.label_files import LabelResolver, LabelSource, RawLabel, Statement, matches
from ingest.sources.folder import SourceFile, walk
from tests.unit.ingest.documents import SCHEMA

FOLDER = '[label]\nclassification = "internal"\ntenant = "acme"\nowner = "user:ada"\n'


def resolve(
    root: Path, uri: str, front: str | None = None, flags: Statement | None = None
) -> RawLabel:
    files = {one.uri: one for one in walk(root) if isinstance(one, SourceFile)}
    resolver = LabelResolver(root, SCHEMA)
    if flags is None:
        return resolver.resolve(files[uri], front_matter=front)
    return resolver.resolve(files[uri], front_matter=front, flags=flags)


def put(root: Path, **files: str) -> Path:
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def corpus(root: Path, folder: str = FOLDER, name: str = "a.md") -> Path:
    (root / "sub").mkdir(exist_ok=True)
    (root / "_label.toml").write_text(folder)
    (root / name).write_text("text")
    (root / "sub/b.md").write_text("text")
    return root


def refusal(root: Path, uri: str = "file:a.md", front: str | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        resolve(root, uri, front)
    return caught.value.reason


class TestStrength:
    def test_each_source_beats_the_weaker_ones_key_by_key(self, tmp_path: Path) -> None:
        root = corpus(tmp_path, FOLDER + 'compartments = ["red"]\n')
        (root / "a.md.label.toml").write_text(
            'title = "Side"\n[label]\nowner = "user:sid"\ncompartments = []\n[metadata]\nyear = 1\n'
        )
        front = "title: Front\nlabel:\n  owner: user:fay\n  compartments: [red, blue]\n"
        flags = Statement("flags", {"compartments": ["flag"]}, {"year": 2})

        raw = resolve(root, "file:a.md", front, flags)

        assert raw.values == {
            "classification": "internal",
            "tenant": "acme",
            "owner": "user:sid",
            "compartments": ["flag"],
            "path": "/a.md",
        }
        assert raw.title == "Side"
        assert raw.metadata == {"year": 2}
        assert {name: origin.source for name, origin in raw.provenance.items()} == {
            "classification": LabelSource.FOLDER,
            "tenant": LabelSource.FOLDER,
            "owner": LabelSource.SIDECAR,
            "compartments": LabelSource.FLAG,
            "path": LabelSource.LOCATION,
        }
        assert raw.provenance["owner"].where == "`a.md.label.toml`"

    def test_front_matter_beats_the_folder(self, tmp_path: Path) -> None:
        raw = resolve(corpus(tmp_path), "file:a.md", "label: {owner: 'user:fay'}")

        assert raw.values["owner"] == "user:fay"
        assert raw.provenance["owner"].source is LabelSource.FRONT_MATTER

    def test_the_strongest_title_wins_and_a_missing_one_hides_none(self, tmp_path: Path) -> None:
        root = corpus(tmp_path)
        flags = Statement("flags", title="Flag")

        assert resolve(root, "file:a.md", "title: Front").title == "Front"
        assert resolve(root, "file:a.md", "title: Front", flags).title == "Flag"
        assert resolve(root, "file:a.md").title is None

    def test_deeper_folders_override_key_by_key(self, tmp_path: Path) -> None:
        root = corpus(tmp_path)
        (root / "sub/_label.toml").write_text('[label]\nowner = "user:bob"\n')

        raw = resolve(root, "file:sub/b.md")

        assert (raw.values["owner"], raw.values["tenant"]) == ("user:bob", "acme")
        assert raw.provenance["owner"].where == "`sub/_label.toml`"

    def test_later_rules_win_and_deeper_folders_beat_the_rules_above(self, tmp_path: Path) -> None:
        rules = """
            [[rule]]
            match = "**/*.md"
            label = {owner = "user:one", classification = "confidential"}
            metadata = {year = 1999}
            [[rule]]
            match = "sub/*"
            label = {owner = "user:two"}
            [[rule]]
            match = "*.pdf"
            label = {owner = "user:three"}
        """
        root = corpus(tmp_path, FOLDER + rules)

        raw = resolve(root, "file:sub/b.md")
        assert (raw.values["owner"], raw.values["classification"]) == ("user:two", "confidential")
        assert raw.metadata == {"year": 1999}
        assert raw.provenance["owner"].where == "`_label.toml`, rule 2"
        assert resolve(root, "file:a.md").values["owner"] == "user:one"

        (root / "sub/_label.toml").write_text('[label]\nowner = "user:deep"\n')
        assert resolve(root, "file:sub/b.md").values["owner"] == "user:deep"

    def test_nothing_said_is_an_incomplete_label_not_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "a.md").write_text("x")

        assert resolve(tmp_path, "file:a.md").values == {"path": "/a.md"}

    def test_one_file_reads_the_labels_beside_it(self, tmp_path: Path) -> None:
        root = corpus(tmp_path)

        assert resolve(root / "a.md", "file:a.md").values["tenant"] == "acme"

    def test_a_schema_without_a_path_gets_none(self, tmp_path: Path) -> None:
        schema = LabelSchema.from_toml('[label]\ntenant = {type = "keyword"}\n')
        (tmp_path / "a.md").write_text("x")
        (file,) = walk(tmp_path)
        assert isinstance(file, SourceFile)

        assert LabelResolver(tmp_path, schema).resolve(file).values == {}


class TestFrontMatterMayOnlyTighten:
    @pytest.mark.parametrize("level", ["internal", "confidential", "2"])
    def test_a_level_may_stay_or_rise(self, tmp_path: Path, level: str) -> None:
        front = f"label: {{classification: {level}}}"

        raw = resolve(corpus(tmp_path), "file:a.md", front)

        label = SCHEMA.attributes["classification"].parse(raw.values["classification"])
        assert label == {"internal": 1, "confidential": 2, "2": 2}[level]

    @pytest.mark.parametrize("level", ["public", "0"])
    def test_a_level_may_not_fall(self, tmp_path: Path, level: str) -> None:
        reason = refusal(corpus(tmp_path), front=f"label: {{classification: {level}}}")

        assert reason == (
            "front matter may not weaken `classification`: it says `public`, "
            "`_label.toml` says `internal`"
        )

    def test_where_the_folder_is_silent_front_matter_speaks(self, tmp_path: Path) -> None:
        root = corpus(tmp_path, '[label]\ntenant = "acme"\n')

        raw = resolve(root, "file:a.md", "label: {classification: public}")

        assert raw.values["classification"] == "public"

    def test_a_rule_counts_as_the_folder(self, tmp_path: Path) -> None:
        rule = '[[rule]]\nmatch = "*.md"\nlabel = {classification = "confidential"}\n'

        reason = refusal(corpus(tmp_path, FOLDER + rule), front="label: {classification: internal}")

        assert reason.endswith("`_label.toml`, rule 1 says `confidential`")

    def test_a_sidecar_settles_it(self, tmp_path: Path) -> None:
        root = corpus(tmp_path)
        (root / "a.md.label.toml").write_text('[label]\nclassification = "public"\n')

        raw = resolve(root, "file:a.md", "label: {classification: public}")

        assert raw.provenance["classification"].source is LabelSource.SIDECAR

    def test_compartments_may_be_added_and_not_dropped(self, tmp_path: Path) -> None:
        root = corpus(tmp_path, FOLDER + 'compartments = ["red"]\n')

        raw = resolve(root, "file:a.md", "label: {compartments: [red, blue]}")
        assert raw.values["compartments"] == ["red", "blue"]
        assert "weaken `compartments`" in refusal(root, front="label: {compartments: [blue]}")

    def test_the_tenant_cannot_be_changed(self, tmp_path: Path) -> None:
        root = corpus(tmp_path)

        assert "weaken `tenant`" in refusal(root, front="label: {tenant: globex}")
        assert resolve(root, "file:a.md", "label: {tenant: acme}").values["tenant"] == "acme"

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("sub/_label.toml", '[label]\ntenant = "globex"\n'),
            ("sub/a.md.label.toml", '[label]\ntenant = "globex"\n'),
            ("_label.toml", FOLDER + '[[rule]]\nmatch="**/*.md"\nlabel = {tenant = "globex"}\n'),
        ],
    )
    def test_the_topmost_place_settles_the_tenant(
        self, tmp_path: Path, name: str, content: str
    ) -> None:
        root = corpus(tmp_path)
        (root / "sub").mkdir(exist_ok=True)
        (root / "sub" / "a.md").write_text("text")
        (root / name).write_text(content)

        reason = refusal(root, "file:sub/a.md")
        assert "`tenant` is settled by `_label.toml`, which says `acme`" in reason
        flags = Statement("flags", {"tenant": "initech"})
        assert resolve(root, "file:sub/a.md", flags=flags).values["tenant"] == "initech"
        (root / name).write_text(content.replace("globex", "acme"))
        assert resolve(root, "file:sub/a.md").values["tenant"] == "acme"

    def test_a_value_of_the_wrong_type_cannot_be_compared(self, tmp_path: Path) -> None:
        reason = refusal(corpus(tmp_path), front="label: {classification: secret}")

        assert reason.startswith("front matter: `classification`: expected one of public")

    def test_a_level_beside_label_is_not_overlooked(self, tmp_path: Path) -> None:
        reason = refusal(corpus(tmp_path), front="classification: confidential")

        assert reason == "front matter: `classification` belongs under `label`"


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ('[labels]\nx = "y"\n', "`_label.toml`: unknown key `labels`"),
            ('title = "T"\n', "`_label.toml`: unknown key `title`"),
            ('[label]\nlevel = "y"\n', "`_label.toml`, label: unknown key `level`"),
            ("[metadata]\nmonth = 1\n", "`_label.toml`, metadata: unknown key `month`"),
            ('[label]\npath = "/x"\n', "`_label.toml`: `path` is set by where the document lies"),
            ('label = "x"\n', "`_label.toml`: `label` is not a table"),
            ('[rule]\nmatch = "*"\n', "`_label.toml`: `rule` is not a list of tables"),
            ("rule = [1]\n", "`_label.toml`, rule 1: is not a table"),
            ('[[rule]]\nmatch = "*"\nif = 1\n', "`_label.toml`, rule 1: unknown key `if`"),
            ("[[rule]]\nlabel = {}\n", "`_label.toml`, rule 1: `match` is not a pattern"),
            ('[[rule]]\nmatch = "/a"\n', "`_label.toml`, rule 1: `match` is relative"),
            ('[[rule]]\nmatch = "a/../b"\n', "`_label.toml`, rule 1: `match` is relative"),
            ('[[rule]]\nmatch = "a/"\n', "`_label.toml`, rule 1: `match` is relative"),
            ("[label\n", "`_label.toml`: is not TOML"),
            ("#" * 300_000, "`_label.toml`: is larger than"),
        ],
    )
    def test_a_folder_file_that_is_not_understood(
        self, tmp_path: Path, content: str, reason: str
    ) -> None:
        root = corpus(tmp_path, content)

        assert refusal(root).startswith(reason)
        assert refusal(root, "file:sub/b.md").startswith(reason)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("[[rule]]\n", "`a.md.label.toml`: unknown key `rule`"),
            ("title = 3\n", "`a.md.label.toml`: `title` is not a text"),
        ],
    )
    def test_a_sidecar_that_is_not_understood(
        self, tmp_path: Path, content: str, reason: str
    ) -> None:
        root = corpus(tmp_path)
        (root / "a.md.label.toml").write_text(content)

        assert refusal(root).startswith(reason)
        assert resolve(root, "file:sub/b.md").values["tenant"] == "acme"

    def test_a_label_file_that_is_a_link_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "weak.toml").write_text(FOLDER)
        root = tmp_path / "root"
        root.mkdir()
        (root / "a.md").write_text("x")
        (root / "_label.toml").symlink_to(tmp_path / "weak.toml")

        assert refusal(root).startswith("`_label.toml`: cannot be opened")

    def test_a_fault_is_reported_for_every_document_it_touches(self, tmp_path: Path) -> None:
        root = corpus(tmp_path, "[label\n")
        resolver = LabelResolver(root, SCHEMA)
        files = [one for one in walk(root) if isinstance(one, SourceFile)]

        for file in files:
            with pytest.raises(SourceError, match="is not TOML"):
                resolver.resolve(file)

    @pytest.mark.parametrize(
        ("front", "reason"),
        [
            ("label: [", "the front matter is not accepted"),
            ("label: {unknown: 1}", "front matter, label: unknown key `unknown`"),
            ("label: {path: /x}", "front matter: `path` is set by where the document lies"),
            ("label: 3", "front matter: `label` is not a table"),
            ("label: {1: x}", "front matter: `label` is not a table"),
            ("title: [a]", "front matter: `title` is not a text"),
        ],
    )
    def test_front_matter_that_is_not_understood(
        self, tmp_path: Path, front: str, reason: str
    ) -> None:
        assert refusal(corpus(tmp_path), front=front).startswith(reason)

    def test_flags_cannot_set_the_path(self, tmp_path: Path) -> None:
        flags = Statement("flags", {"path": "/elsewhere"})

        with pytest.raises(SourceError, match="`path` is set by where the document lies"):
            resolve(corpus(tmp_path), "file:a.md", None, flags)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.md", "a.md", True),
        ("*.md", "sub/a.md", False),
        ("**/*.md", "a.md", True),
        ("**/*.md", "x/y/a.md", True),
        ("x/**", "x/y/a.md", True),
        ("x/**", "x", True),
        ("x/**", "y/a.md", False),
        ("x/**/z/*.md", "x/z/a.md", True),
        ("x/**/z/*.md", "x/1/2/z/a.md", True),
        ("x/**/z/*.md", "x/1/2/a.md", False),
        ("?.md", "a.md", True),
        ("[ab].md", "c.md", False),
        ("A.md", "a.md", False),
        ("a.md", "a.md/b", False),
        ("**", "any/thing", True),
        ("/".join(["**"] * 100 + ["b"]), "/".join(["a"] * 200), False),
        ("*a*a*a*a*a*a*a*a*a*a*b", "a" * 500, False),
    ],
)
def test_patterns(pattern: str, path: str, *, expected: bool) -> None:
    assert matches(pattern, PurePosixPath(path)) is expected
