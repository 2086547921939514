import pytest

from framegate.finetune.taxonomy import Node, Taxonomy, TaxonomyError, UnknownLabelError

ROWS = """id,parent,name,definition
n,,News,what happened today
s,,Sport,
n1,n,Weather,"rain, and sun"
n2,n,Politics,
s1,s,Football,
n11,n1,Storms,
"""


@pytest.fixture
def csv_file(tmp_path):
    path = tmp_path / "taxonomy.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


def test_nodes_keep_the_order_of_the_file(csv_file):
    taxonomy = Taxonomy.read(csv_file)
    assert taxonomy.ids == ("n", "s", "n1", "n2", "s1", "n11")
    assert taxonomy.levels.tolist() == [1, 1, 2, 2, 2, 3]
    assert taxonomy.depth == 3
    assert taxonomy.leaves.tolist() == [3, 4, 5]
    assert taxonomy.path(5) == [0, 2, 5]


def test_a_label_is_an_id_or_a_path_of_ids_or_of_names(csv_file):
    taxonomy = Taxonomy.read(csv_file)
    assert taxonomy.resolve("n11") == taxonomy.resolve("n/n1/n11") == taxonomy.resolve("News/Weather/Storms") == 5
    assert taxonomy.resolve("News") == taxonomy.resolve("n") == 0


def test_a_wrong_label_is_answered_with_the_nearest_right_one(csv_file):
    taxonomy = Taxonomy.read(csv_file)
    assert taxonomy.check("News/Weather") is None
    problem = taxonomy.check("News/Wether")
    assert problem == "label 'News/Wether' is not in the taxonomy (nearest: 'News/Weather')"
    with pytest.raises(UnknownLabelError, match="Wether"):
        taxonomy.resolve("News/Wether")


def test_what_is_written_reads_the_same(csv_file, tmp_path):
    taxonomy = Taxonomy.read(csv_file)
    taxonomy.write(tmp_path / "again.csv")
    assert Taxonomy.read(tmp_path / "again.csv") == taxonomy


def test_every_problem_is_named_with_its_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,parent,name\na,,A\nb,aa,B\na,,C\nc,d,\nd,c,\ne,d,\n,a,\nf,,A\n", encoding="utf-8")
    with pytest.raises(TaxonomyError) as error:
        Taxonomy.read(path)
    assert error.value.problems == (
        "t.csv:3: parent 'aa' of 'b' is not in the taxonomy (nearest: 'a')",
        "t.csv:4: id 'a' is already taken at t.csv:2",
        "t.csv:5: 'c' is its own ancestor, through 'd'",
        "t.csv:6: 'd' is its own ancestor, through 'c'",
        "t.csv:8: the id is empty",
        "t.csv:9: 'f' has the name 'A' of its sibling at t.csv:2",
    )


def test_a_file_without_the_columns_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("name\nx\n", encoding="utf-8")
    with pytest.raises(TaxonomyError, match=r"t\.csv:1: the header lacks id, parent"):
        Taxonomy.read(path)


def test_a_file_in_another_encoding_is_refused_by_its_name(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("id,parent,name\na,,Küche\n".encode("latin-1"))
    with pytest.raises(TaxonomyError, match=r"t\.csv: not UTF-8"):
        Taxonomy.read(path)


def test_the_levels_may_end_anywhere():
    deep = Taxonomy((Node("e", "d"), Node("a"), Node("b", "a"), Node("c", "b"), Node("d", "c")))
    assert deep.depth == 5
    assert deep.path(0) == [1, 2, 3, 4, 0]
