"""Recipes that mean harm: a few bytes that stand for gigabytes, and YAML's other ways to be more than it looks."""

import subprocess
import sys
from pathlib import Path

import pytest

from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import RecipeError, dump_recipe, read_recipe
from framegate.recipes.config.yaml_text import YamlError, read_yaml
from framegate.recipes.training.run_folder import RunFolder


def chain(link: str, *, first: str = "a: &a [x, x, x, x, x, x, x, x, x]", length: int = 9) -> str:
    """Anchors, each of nine aliases of the one before."""
    names = "abcdefghijklmnopqrstuvwxyz"
    links = [link.replace("NEW", names[i + 1]).replace("OLD", ", ".join([f"*{names[i]}"] * 9)) for i in range(length)]
    return "\n".join([first, *links]) + "\n"


LAUGHS = chain("NEW: &NEW [OLD]")
HOSTILE = {
    "aliases of aliases": (LAUGHS, 5, "more than 10000 values, aliases followed"),
    "merged aliases of aliases": (chain("NEW: &NEW {<<: [OLD]}", first="a: &a {x: 1}"), 5, "more than 10000 values"),
    "a long chain": ("a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 99)), 31, "32 levels"),
    "an anchor in itself": ("a: &a\n  b: {c: *a}\n", 2, "'a' stands in itself"),
    "an anchor in its own list": ("a: &a [*a]\n", 1, "'a' stands in itself"),
    "an anchor in its own key": ("? &a {? *a : b}\n: c\n", 1, "'a' stands in itself"),
    "deep lists": ("a: " + "[" * 5000 + "]" * 5000, 1, "more than 32 levels"),
    "deep mappings": ("a: " + "{a: " * 5000 + "}" * 5000, 1, "more than 32 levels"),
    "deep blocks": ("".join(" " * depth + "a:\n" for depth in range(1000)), 32, "more than 32 levels"),
    "many values": ("a: [" + "1, " * 20_000 + "]", 1, "more than 10000 values"),
    "many documents": ("--- a\n" * 20_000, 10_000, "more than 10000 values"),
    "a long value": ("name: " + "x" * 5000, 1, "a value of more than 4096 characters"),
    "a long key": ("x" * 5000 + ": 1", 1, ""),
    "a large file": ("#" * 1_000_001, 0, "more than 1000000 bytes"),
    "a key twice": ("name: a\nname: b\n", 2, "key 'name' twice"),
    "a number as a key": ("name: r\n1: 2\n", 2, "a key is a text, and '1' is none"),
    "nothing as a key": ("~: 2\n", 1, "a key is a text, and '~' is none"),
    "a list as a key": ("? [a]\n: 2\n", 1, "a key is a text, and a list or a mapping is none"),
    "a number of many digits": ("seed: " + "9" * 4096, 0, "a number of more than 63 bits"),
    "a number of many bits": ("seed: 0x" + "f" * 4000, 0, "a number of more than 63 bits"),
    "a number to the base of 60": ("seed: 1" + ":1" * 2000, 0, "a number of more than 63 bits"),
    "a fraction to the base of 60": ("seed: 1" + ":1" * 2000 + ".5", 0, "too large"),
    "a day that is none": ("name: 2001-99-99\n", 0, "month must be in 1..12"),
    "an object of Python's": ("name: !!python/object/apply:os.system [x]\n", 1, "without tags"),
    "a tag without its value": ("seed: !!int ''\n", 1, "tag '!!int': values are read without tags"),
    "a mark of another encoding": ("name: \udcff\n", 0, "not readable as YAML"),
    "a control character": ("name: 'a\x1bb'\n", 0, "not readable as YAML: unacceptable character #x001b"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_recipe_is_one_plain_line_that_says_where(kind: str, tmp_path: Path) -> None:
    text, line, what = HOSTILE[kind]
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(RecipeError) as caught:
        read_recipe(PretrainConfig, path)
    (problem,) = str(caught.value).splitlines()
    assert problem.startswith(f"{path}:{line}: " if line else f"{path}: ")
    assert what in problem
    assert len(problem.removeprefix(str(path))) < 300


def test_the_config_of_a_run_is_read_within_the_same_bounds(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for text in (LAUGHS, "[a]", "a: [", "a: !!python/name:os.system\n"):
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(RecipeError, match=r"config\.yaml"):
            run.check(read_recipe(PretrainConfig, "moco_small"), resume=True)


def test_a_value_on_the_command_line_is_read_within_the_same_bounds() -> None:
    for value in ("[" * 5000, "9" * 5000, "2001-99-99", "{a: 1, a: 2}", "'\udcff'"):
        with pytest.raises(RecipeError) as caught:
            read_recipe(PretrainConfig, "moco_small", [f"optim.epochs={value}"])
        assert "override" in str(caught.value)
        assert len(str(caught.value)) < 300


def test_hostile_values_are_told_in_short() -> None:
    for override in (
        "optim.epochs=" + "x" * 4000,
        "optim." + "x" * 4000 + "=1",
        "Optim.epochs=1",
        "Name=x",
        "a='\\e[0m'",
    ):
        with pytest.raises(RecipeError) as caught:
            read_recipe(PretrainConfig, "moco_small", [override])
        (problem,) = caught.value.problems
        assert len(problem) < 300
        assert problem.isprintable()


def test_anchors_aliases_and_merged_keys_may_be_used() -> None:
    text = b"base: &base {lr: 0.1, epochs: 2}\noptim: {<<: *base, epochs: 3}\nlist: [&x a, *x]\n"
    values, lines = read_yaml(text)
    assert values["optim"] == {"lr": 0.1, "epochs": 3}
    assert values["list"] == ["a", "a"]
    assert lines["optim", "epochs"] == 2
    assert read_yaml(b"") == (None, {})


def test_a_recipe_as_deep_and_long_as_is_allowed_is_read() -> None:
    assert len(read_yaml(b"a: [" + b"1, " * 9990 + b"]")[0]["a"]) == 9990
    value = read_yaml(b"[" * 31 + b"1" + b"]" * 31)[0]
    for _ in range(31):
        (value,) = value
    assert value == 1
    with pytest.raises(YamlError, match="32 levels"):
        read_yaml(b"[" * 32 + b"1" + b"]" * 32)


def test_a_recipe_of_aliases_ends_soon_and_in_little_memory(tmp_path: Path) -> None:
    """It took 3.8 GB and did not end; the limit is on address space, of which Python and pydantic take some."""
    recipe = tmp_path / "laughs.yaml"
    recipe.write_text(LAUGHS)
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (4 * 1024**3,) * 2)\n"
        "from framegate.recipes.config.recipe import RecipeError, read_recipe\n"
        "from framegate.recipes.config.pretrain_config import PretrainConfig\n"
        f"try: read_recipe(PretrainConfig, {str(recipe)!r})\nexcept RecipeError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "more than 10000 values" in done.stdout, done.stderr


def test_a_written_config_is_read_back() -> None:
    config = read_recipe(PretrainConfig, "moco_small", ["name=2001-01-01.x", "data.store='on'"])
    assert PretrainConfig.model_validate(read_yaml(dump_recipe(config).encode())[0]) == config
