import pytest

from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy, TaxonomyError, UnknownLabelError

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
    with pytest.raises(TaxonomyError, match=r"t\.csv:2: not UTF-8 .* --encoding cp1252"):
        Taxonomy.read(path)


def test_the_levels_may_end_anywhere():
    deep = Taxonomy((Node("e", "d"), Node("a"), Node("b", "a"), Node("c", "b"), Node("d", "c")))
    assert deep.depth == 5
    assert deep.path(0) == [1, 2, 3, 4, 0]


def refused(tmp_path, text):
    """The problems of a file, which are plain and soon told."""
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TaxonomyError) as error:
        Taxonomy.read(path)
    for problem in error.value.problems:
        assert len(problem) < 300
        assert len(problem.splitlines()) == 1
    return error.value.problems


def test_a_chain_of_any_length_is_refused_where_it_passes_a_hundred_levels(tmp_path):
    """Upwards and downwards in the file; each was a walk for each node."""
    rows = [f"{number},{number - 1 if number else ''}\n" for number in range(20_000)]
    assert refused(tmp_path, "id,parent\n" + "".join(rows)) == ("t.csv:102: '100' is on level 101; 100 are the most",)
    assert refused(tmp_path, "id,parent\n" + "".join(rows[::-1])) == (
        "t.csv:19901: '100' is on level 101; 100 are the most",
    )
    assert Taxonomy(tuple(Node(str(number), str(number - 1) if number else "") for number in range(100))).depth == 100


def test_a_circle_of_any_length_is_told_of_each_node_in_it_and_of_no_other(tmp_path):
    size = 20_000
    circle = "".join(f"{number},{(number + 1) % size}\n" for number in range(size))
    found = refused(tmp_path, f"id,parent\nabove,0\n{circle}")
    assert len(found) == size
    assert found[0] == "t.csv:3: '0' is its own ancestor, through '1'"


def test_what_no_person_would_write_is_refused_with_its_line(tmp_path):
    assert "t.csv:2: the id or the name of 'xxx" in refused(tmp_path, f"id,parent\n{'x' * 1001},\n")[0]
    assert "t.csv:2: the id or the name of 'a'" in refused(tmp_path, f"id,parent,name\na,,{'x' * 1001}\n")[0]
    deep = "".join(f"{str(number) * 500},{str(number - 1) * 500 if number else ''}\n" for number in range(10))
    assert "t.csv:10: the label path of '888" in refused(tmp_path, f"id,parent\n{deep}")[0]
    assert "t.csv:2: not CSV" in refused(tmp_path, f"id,parent,name,definition\na,,,{'x' * 200_000}\n")[0]
    assert "t.csv:3: column 'id' holds 'b\\x00': a NUL" in refused(tmp_path, "id,parent\na,\nb\0,\n")[0]
    assert "t.csv:1: 200002 columns" in refused(tmp_path, f"id,parent{',x' * 200_000}\n{'a' + chr(10)}" * 2)[0]
    assert "lines, more than 1000000" in refused(tmp_path, "id,parent\n" + "\n" * 1_000_010)[0]
    assert refused(tmp_path, "id,parent\n" + "x" * (64 * 1024**2)) == ("t.csv: more than 64 MB",)


def test_label_paths_that_do_not_fit_into_memory_are_refused(tmp_path):
    names = [str(number).rjust(900, "x") for number in range(4)]
    trunk = "".join(f"{name},{parent}\n" for name, parent in zip(names, ["", *names], strict=False))
    leaves = "".join(f"{number},{names[-1]}\n" for number in range(14_000))
    assert "all label paths together have over 100000000" in refused(tmp_path, f"id,parent\n{trunk}{leaves}")[0]


def test_twenty_thousand_wrong_labels_are_all_told_and_soon():
    """Each took a second and a half of a tree of this size."""
    tree = Taxonomy(
        (
            *(Node(f"t{top}") for top in range(30)),
            *(Node(f"t{top}-{leaf}", f"t{top}", f"leaf {leaf} of {top}") for top in range(30) for leaf in range(900)),
        )
    )
    problems = [tree.check(f"t{number}/wrong") for number in range(20_000)]
    assert problems[0] == "label 't0/wrong' is not in the taxonomy (nearest: 't0')"
    assert problems[-1] == (
        "label 't19999/wrong' is not in the taxonomy (nearest: not looked for after 200 wrong ones)"
    )
    assert tree.check("t0/wrong") == problems[0]
    assert len(tree.check("x" * 1_000_000)) < 300


def test_a_line_break_in_a_taxonomys_name_or_id_starts_no_line_of_its_own(tmp_path):
    path = tmp_path / "a\nall is fine.csv"
    for text in ("id\n", 'id,parent\n"a\nb",c\n', "id,parent\na,\na,\n"):
        path.write_text(text)
        with pytest.raises(TaxonomyError) as error:
            Taxonomy.read(path)
        assert len(str(error.value).splitlines()) == len(error.value.problems)
