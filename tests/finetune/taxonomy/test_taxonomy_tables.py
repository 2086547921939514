"""Taxonomies as people have them: other separators, encodings and normal forms, and names that no label can spell."""

import time
import unicodedata
from pathlib import Path

import openpyxl
import pytest

from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy, TaxonomyError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "taxonomy.csv"


def problems(path: Path, text: str) -> tuple[str, ...]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TaxonomyError) as error:
        Taxonomy.read(path)
    assert all(len(problem) < 300 for problem in error.value.problems)
    return error.value.problems


@pytest.mark.parametrize(
    "text", ["sep=;\nID;Parent;NAME\nn;;News\nw;n;Rain, sun\n", 'id\tparent\tname\nn\t\tNews\nw\tn\t"Rain, sun"']
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_taxonomy_is_read_as_a_manifest_is(path: Path, text: str, encoding: str) -> None:
    path.write_bytes(text.encode(encoding))
    assert Taxonomy.read(path).name_path(1) == "News/Rain, sun"


def test_a_taxonomy_may_be_a_workbook_or_in_another_encoding(path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["id", "parent", "name", None], [1.0, None, "News", None], [2.0, 1.0, "Wetter", None], [None] * 4):
        book.active.append(row)
    book.save(path.with_suffix(".xlsx"))
    tree = Taxonomy.read(path.with_suffix(".xlsx"))
    assert (tree.ids, tree.name_path(1)) == (("1", "2"), "News/Wetter")
    path.write_bytes("id,parent,name\nn,,ニュース\n".encode("shift_jis"))
    with pytest.raises(TaxonomyError, match=r"taxonomy\.csv:2: not UTF-8 .* Shift-JIS: .* --encoding shift_jis"):
        Taxonomy.read(path)
    assert Taxonomy.read(path, encoding="shift_jis").names == ("ニュース",)


def test_a_line_break_in_a_definition_is_no_new_row(path: Path) -> None:
    path.write_text(
        'id,parent,name,definition\nn,,News,"one\u2028two\x85three\rfour"\nw,n,Weather,\n', encoding="utf-8", newline=""
    )
    tree = Taxonomy.read(path)
    assert (tree.ids, tree.nodes[0].definition) == (("n", "w"), "one\u2028two\x85three\rfour")


@pytest.mark.parametrize(("in_file", "in_label"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_labels_match_in_any_normal_form(path: Path, in_file: str, in_label: str) -> None:
    text = unicodedata.normalize(in_file, "id,parent,name\nküche,,Küche\ncafé,küche,Café\n")
    path.write_text(text, encoding="utf-8")
    tree = Taxonomy.read(path)
    for label in ("café", "küche/café", "Küche/Café"):
        assert tree.resolve(unicodedata.normalize(in_label, label)) == 1
        assert tree.check(unicodedata.normalize(in_label, label)) is None
    other = unicodedata.normalize(in_label, "café,küche,Kaffee\n")
    assert problems(path, text + other) == ("taxonomy.csv:4: id 'café' is already taken at taxonomy.csv:3",)


def test_parents_match_in_any_normal_form(path: Path) -> None:
    path.write_text(f"id,parent\n{unicodedata.normalize('NFD', 'küche')},\nb,{unicodedata.normalize('NFC', 'küche')}\n")
    assert Taxonomy.read(path).levels.tolist() == [1, 2]


def test_a_name_that_no_label_could_spell_is_refused_with_another(path: Path) -> None:
    assert problems(path, "id,parent,name\nn,,News/Sport\ns,n,a | b\n") == (
        "taxonomy.csv:2: name 'News/Sport' of 'n' holds '/', which joins the names of a path (nearest: 'News & Sport')",
        "taxonomy.csv:3: name 'a | b' of 's' holds '|', which joins several labels (nearest: 'a, b')",
    )


def test_an_older_store_or_classifier_with_such_a_name_still_opens(path: Path) -> None:
    Taxonomy((Node("n", "", "News/Sport"),)).write(path)
    assert Taxonomy.read(path, checked=True).names == ("News/Sport",)


def test_other_names_of_columns_are_named(path: Path) -> None:
    (problem,) = problems(path, "node_id,parent_id,name\nn,,News\n")
    assert "lacks id, parent" in problem
    assert "'node_id': call it 'id', 'parent_id': call it 'parent'" in problem


def test_twenty_thousand_wrong_rows_are_answered_soon(path: Path) -> None:
    rows = ["n{0},m{0},Name {0}", "n,,N{0}", "n{0},,A/{0}", "n{0},,Same", ",,x", "n{0},,x,,,,{0}", 'n{0},"x"y,']
    for one in (rows[:5], rows[5:]):
        text = "".join(one[number % len(one)].format(number) + "\n" for number in range(20_000))
        began = time.process_time()
        assert len(problems(path, "id,parent,name\n" + text)) >= 20_000 - 2
        assert time.process_time() - began < 8
