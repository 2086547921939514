"""The nearest valid name, and how long it is looked for."""

import random

import pytest

from framegate.media.nearest import Nearest, nearest


def test_the_nearest_name_is_the_one_most_alike() -> None:
    assert nearest("News/Wether", ["News", "News/Weather", "Sport"]) == "News/Weather"
    assert Nearest(["train", "val"]).hint("trian") == "(nearest: 'train')"
    assert nearest("?", ["nothing", "alike"]) in ("nothing", "alike")


def test_after_many_wrong_names_no_more_are_looked_for_but_old_answers_stay() -> None:
    names = Nearest([f"leaf-{number}" for number in range(50)])
    assert [names.find(f"leaf {number}") for number in range(50)] == [f"leaf-{number}" for number in range(50)]
    for number in range(1000):
        names.find(f"x{number}")
    assert names.find("another") is None
    assert names.hint("another") == "(nearest: not looked for after 200 wrong ones)"
    assert names.hint("leaf 3") == "(nearest: 'leaf-3')"


def test_a_name_of_any_length_costs_as_much_as_a_short_one() -> None:
    names = Nearest(["a" * 1_000_000, "b" * 1_000_000])
    assert names.find("b" * 5_000_000) == "b" * 1_000_000
    assert len(names.hint("b" * 5_000_000)) < 120


def test_twenty_thousand_wrong_names_against_a_large_tree_are_answered_in_a_bounded_number_of_looks() -> None:
    """Each look compares all characters of all names: their product is what is bounded."""
    rng = random.Random(0)
    known = ["".join(rng.choices("abcdefghij/", k=100)) for _ in range(20_000)]
    names = Nearest(known)
    found = [names.find(f"{number}/wrong") for number in range(20_000)]
    looks = sum(name is not None for name in found)
    assert 1 <= looks <= 200
    assert looks * sum(map(len, known)) <= 410_000_000
    assert looks == len(found) - found.count(None)


def test_where_no_name_is_known_none_is_nearest() -> None:
    with pytest.raises(ValueError, match="no name is known that 'a' could be like"):
        nearest("a", [])
