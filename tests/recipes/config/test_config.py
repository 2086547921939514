"""Recipes: every mistake is named, with its place and the nearest right thing."""

from importlib.resources import files
from pathlib import Path

import pytest

from framegate.recipes.config.finetune_config import FinetuneConfig
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import RecipeError, dump_recipe, read_recipe


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_all_mistakes_are_named_with_file_line_and_nearest_key(tmp_path: Path) -> None:
    recipe = write(
        tmp_path / "r.yaml",
        "name: r\ndata: {store: s}\nmethod:\n  temprature: 0.2\n"
        "views:\n  overlays:\n    pint: 1\noptim:\n  epochs: many\n",
    )
    with pytest.raises(RecipeError) as caught:
        read_recipe(PretrainConfig, recipe)
    message = str(caught.value)
    assert f"{recipe}:4: unknown key 'method.temprature' (nearest: 'method.temperature')" in message
    assert f"{recipe}:7: unknown key 'views.overlays.pint' (nearest: 'views.overlays.paint')" in message
    assert f"{recipe}:9: 'optim.epochs' is 'many'" in message
    assert len(message.splitlines()) == 3


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"'data' is missing"):
        read_recipe(PretrainConfig, write(tmp_path / "r.yaml", "name: r\n"))


def test_a_key_written_out_finds_its_abbreviation() -> None:
    with pytest.raises(RecipeError, match=r"unknown key 'optim.learning_rate' \(nearest: 'optim.lr'\)"):
        read_recipe(PretrainConfig, "moco_small", ["optim.learning_rate=1"])


def test_overrides_replace_what_the_file_says_and_are_read_as_yaml() -> None:
    config = read_recipe(PretrainConfig, "moco_small", ["optim.epochs=3", "log.wandb_project=null", "data.store=x"])
    assert (config.optim.epochs, config.log.wandb_project, config.data.store) == (3, None, Path("x"))


@pytest.mark.parametrize("override", ["optim.epochs", "=3", "optim..lr=3", "name.first=3"])
def test_an_override_that_is_none_says_so(override: str) -> None:
    with pytest.raises(RecipeError, match="override"):
        read_recipe(PretrainConfig, "moco_small", [override])


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="moco_small"):
        read_recipe(PretrainConfig, "moco_smal")


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not readable as YAML"):
        read_recipe(PretrainConfig, write(tmp_path / "r.yaml", "name: [r\n"))


@pytest.mark.parametrize("name", ["../escape", "a b", ""])
def test_a_name_cannot_lead_out_of_the_run_dir(name: str) -> None:
    with pytest.raises(RecipeError, match="name"):
        read_recipe(PretrainConfig, "moco_small", [f"name='{name}'"])


@pytest.mark.parametrize(("model", "recipe"), [(PretrainConfig, "moco_small"), (FinetuneConfig, "fusion_small")])
def test_a_written_recipe_reads_back_the_same(model: type, recipe: str, tmp_path: Path) -> None:
    config = read_recipe(model, recipe)
    assert read_recipe(model, write(tmp_path / "r.yaml", dump_recipe(config))) == config


def test_a_stream_may_be_left_out() -> None:
    assert read_recipe(FinetuneConfig, "fusion_small", ["streams.audio=null"]).streams.audio is None
    with pytest.raises(RecipeError, match="at least one"):
        read_recipe(FinetuneConfig, "fusion_small", [f"streams.{s}=null" for s in ("frames", "audio", "text")])


def test_a_misspelt_stream_key_is_named() -> None:
    with pytest.raises(RecipeError, match=r"unknown key 'streams.text.bakbone' \(nearest: 'streams.text.backbone'\)"):
        read_recipe(FinetuneConfig, "fusion_small", ["streams.text.bakbone=x"])


@pytest.mark.parametrize(
    "recipe", sorted((files("framegate.recipes") / "configs").iterdir()), ids=lambda file: file.stem
)
def test_each_option_of_our_recipes_is_explained_on_its_line(recipe: Path) -> None:
    for line in recipe.read_text(encoding="utf-8").splitlines():
        option, _, comment = line.partition("#")
        if option.strip():
            assert option.strip().endswith(":") or comment.strip(), line  # a section, or an option with its comment
            assert "{" not in option, line  # one option a line
