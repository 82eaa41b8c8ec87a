from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.sources.identity import renames

NAMES = st.sampled_from([f"{folder}/{name}.txt" for folder in "abc" for name in "xyz"])
LISTINGS = st.dictionaries(NAMES, st.sampled_from(["one", "two", "three"]))


def test_a_file_that_kept_its_bytes_is_the_same_document() -> None:
    found = renames({"merger.txt": "1"}, {"merger-final.txt": "1", "other.txt": "2"})

    assert found.moved == {"merger-final.txt": "merger.txt"}
    assert found.unclear == {}


def test_a_folder_that_moved_takes_its_equal_files_along() -> None:
    gone = {"old/a.txt": "1", "old/b.txt": "1", "old/c.txt": "1"}
    new = {"new/a.txt": "1", "new/b.txt": "1", "new/d.txt": "1"}

    assert renames(gone, new).moved == {
        "new/a.txt": "old/a.txt",
        "new/b.txt": "old/b.txt",
        "new/d.txt": "old/c.txt",
    }


def test_nothing_is_merged_where_two_can_be_meant() -> None:
    found = renames({"a.txt": "1", "b.txt": "1"}, {"c.txt": "1", "d.txt": "1"})

    assert found.moved == {}
    assert found.unclear == {"c.txt": ("a.txt", "b.txt"), "d.txt": ("a.txt", "b.txt")}


def test_one_document_of_which_two_copies_came_is_not_given_to_either() -> None:
    found = renames({"a.txt": "1"}, {"c.txt": "1", "d.txt": "1"})

    assert found.unclear == {"c.txt": ("a.txt",), "d.txt": ("a.txt",)}


@given(LISTINGS, LISTINGS)
def test_whatever_is_paired_has_the_same_bytes_and_is_paired_once(
    gone: dict[str, str], new: dict[str, str]
) -> None:
    found = renames(gone, new)

    assert all(new[fresh] == gone[old] for fresh, old in found.moved.items())
    assert len(set(found.moved.values())) == len(found.moved)
    assert not found.moved.keys() & found.unclear.keys()
    # A file with the bytes of a document that is left over never passes for a new one.
    left = {gone[old] for old in gone.keys() - set(found.moved.values())}
    for fresh in new.keys() - found.moved.keys():
        assert (fresh in found.unclear) == (new[fresh] in left)
