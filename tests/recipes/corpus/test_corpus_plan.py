"""The plan of the corpus: leaves and kinds, splits, programmes, looks, and what clips lack."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from framegate.recipes.corpus.audio import AUDIO_KINDS
from framegate.recipes.corpus.canvas import HEIGHT, WIDTH
from framegate.recipes.corpus.leaves import LEAVES, TAXONOMY
from framegate.recipes.corpus.pictures import SCENES
from framegate.recipes.corpus.plan import ClipPlan, plan_corpus
from framegate.recipes.corpus.stations import FAMILIES, Overlay, draw_look
from framegate.recipes.corpus.words import LANGUAGES, WORDS

FULL = 1500
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def plans() -> list[ClipPlan]:
    return plan_corpus(FULL, seed=0)


def in_split(plans: Sequence[ClipPlan], split: str) -> list[ClipPlan]:
    return [plan for plan in plans if plan.split == split]


def home_looks(plans: Sequence[ClipPlan]) -> dict[str, int]:
    """The commonest look of each leaf among training programmes."""
    seen: dict[str, Counter[int]] = defaultdict(Counter)
    for plan in {plan.programme: plan for plan in in_split(plans, "train")}.values():
        seen[plan.leaf.id][plan.look.family] += 1
    return {leaf: looks.most_common(1)[0][0] for leaf, looks in seen.items()}


# Leaves and the taxonomy


@pytest.mark.parametrize("modality", ["pictures", "audio", "text"])
def test_a_perfect_model_of_one_modality_ends_at_ten_of_sixteen_leaves(modality: str) -> None:
    kinds = Counter(getattr(leaf, modality) for leaf in LEAVES)
    assert len(kinds) / len(LEAVES) == 0.625
    assert max(kinds.values()) == 2


def test_pairs_of_leaves_differ_in_one_modality_alone_two_each_way_and_in_none_at_all() -> None:
    modalities = ("pictures", "audio", "text")
    differing = Counter(
        tuple(m for m in modalities if getattr(one, m) != getattr(other, m)) for one, other in combinations(LEAVES, 2)
    )
    assert () not in differing
    assert [differing[(m,)] for m in modalities] == [2, 2, 2]
    assert [differing[pair] for pair in combinations(modalities, 2)] == [2, 2, 2]


def test_every_kind_of_a_leaf_exists_and_none_is_idle() -> None:
    assert {leaf.pictures for leaf in LEAVES} == set(SCENES)
    assert {leaf.audio for leaf in LEAVES} == set(AUDIO_KINDS)
    assert {leaf.text for leaf in LEAVES} == set(WORDS)


def test_the_taxonomy_has_three_levels_whose_leaves_are_the_corpus_leaves() -> None:
    parent = {node.id: node.parent for node in TAXONOMY}
    assert len(parent) == len(TAXONOMY)
    leaves = set(parent) - set(parent.values())
    assert leaves == {leaf.id for leaf in LEAVES}
    assert all(parent[parent[leaf]] and not parent[parent[parent[leaf]]] for leaf in leaves)


def test_kinds_share_no_word_within_a_language() -> None:
    for language in LANGUAGES:
        counted = Counter(word.lower() for words in WORDS.values() for word in words[language])
        assert max(counted.values()) == 1, counted.most_common(3)


# Splits and programmes


def test_fifteen_hundred_clips_give_five_hundred_of_test(plans: list[ClipPlan]) -> None:
    assert Counter(plan.split for plan in plans) == {"train": 850, "val": 150, "test": 500}


@pytest.mark.parametrize("clips", [192, 500, FULL])
def test_every_leaf_is_in_every_split(clips: int) -> None:
    found = {(plan.leaf.id, plan.split) for plan in plan_corpus(clips, seed=3)}
    assert len(found) == len(LEAVES) * len(SPLITS)


def test_a_programme_has_one_split_one_leaf_one_look_and_several_clips(plans: list[ClipPlan]) -> None:
    of_programme: dict[str, list[ClipPlan]] = defaultdict(list)
    for plan in plans:
        of_programme[plan.programme].append(plan)
    for clips in of_programme.values():
        assert len({(clip.split, clip.leaf, clip.look) for clip in clips}) == 1
        assert 4 <= len(clips) <= 9


@pytest.mark.parametrize("clips", [*range(1, 41), 96])
def test_any_number_of_clips_can_be_planned(clips: int) -> None:
    plans = plan_corpus(clips, seed=1)
    assert [plan.number for plan in plans] == list(range(clips))
    assert len({plan.id for plan in plans}) == clips
    assert "train" in {plan.split for plan in plans}


# Station looks


def programmes_at_home(plans: Sequence[ClipPlan], split: str) -> float:
    home = home_looks(plans)
    programmes = {plan.programme: plan for plan in in_split(plans, split)}.values()
    return sum(plan.look.family == home[plan.leaf.id] for plan in programmes) / len(programmes)


def test_in_training_nine_of_ten_programmes_have_the_look_of_their_leaf(plans: list[ClipPlan]) -> None:
    assert programmes_at_home(plans, "train") == pytest.approx(0.9, abs=0.01)
    assert len(set(home_looks(plans).values())) == len(LEAVES), "every leaf has a home look of its own"


@pytest.mark.parametrize("split", ["val", "test"])
def test_outside_training_the_look_says_nothing_about_the_leaf(split: str) -> None:
    shares = [programmes_at_home(plan_corpus(FULL, seed=seed), split) for seed in range(5)]
    assert sum(shares) / len(shares) == pytest.approx(1 / 16, abs=0.04)


def test_logos_lie_inside_the_picture_and_clear_of_the_subtitles(plans: list[ClipPlan]) -> None:
    for look in {plan.programme: plan.look for plan in plans}.values():
        left, top, right, bottom = look.logo
        assert look.picture[0] <= left < right <= look.picture[2]
        assert look.picture[1] <= top < bottom <= look.picture[3]
        if look.subtitles:
            beside = right <= look.subtitles[0] + 0.005 or left >= look.subtitles[2] - 0.005
            assert beside or bottom <= look.subtitles[1]


@pytest.mark.parametrize("family", range(FAMILIES))
def test_a_look_changes_the_picture_inside_its_boxes_and_nowhere_else(family: int) -> None:
    look = draw_look(family, np.random.default_rng(family))
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    Overlay(look, ["Watch today with our guest", "And more"], seconds=4.0).draw(image, 0.5)
    changed = (image != 128).any(axis=2)
    left, top, right, bottom = pixels(look.picture)
    allowed = np.ones_like(changed)
    allowed[top:bottom, left:right] = False
    for box in filter(None, (look.logo, look.subtitles)):
        left, top, right, bottom = pixels(box)
        assert changed[top:bottom, left:right].any()
        allowed[top:bottom, left:right] = True
    assert not changed[~allowed].any()


def pixels(box: Sequence[float]) -> tuple[int, ...]:
    return tuple(round(edge * size) for edge, size in zip(box, (WIDTH, HEIGHT, WIDTH, HEIGHT), strict=True))


# What clips lack, and what texts say


@pytest.mark.parametrize("split", SPLITS)
def test_audio_and_text_are_lacking_at_the_promised_rates_in_every_split(plans: list[ClipPlan], split: str) -> None:
    members = in_split(plans, split)
    tracks = Counter(plan.audio for plan in members)
    without_text = sum(not plan.title and not plan.description for plan in members)
    assert (tracks["no_track"] + tracks["unused"]) / len(members) == pytest.approx(0.08, abs=0.005)
    assert abs(tracks["no_track"] - tracks["unused"]) <= 1
    assert without_text / len(members) == pytest.approx(0.10, abs=0.005)
    assert any(plan.title and not plan.description for plan in members)
    assert any(plan.description and not plan.title for plan in members)


def test_a_small_corpus_lacks_audio_and_text_too() -> None:
    plans = plan_corpus(24, seed=0)
    for split in ("train", "test"):
        assert any(plan.audio != "track" for plan in in_split(plans, split))
        assert any(not plan.title and not plan.description for plan in in_split(plans, split))


def test_texts_tell_of_their_own_kind_more_than_of_any_other(plans: list[ClipPlan]) -> None:
    matching = stray = 0
    for plan in plans:
        spoken = {word.lower() for word in f"{plan.title} {plan.description}".split()}
        for kind, words in WORDS.items():
            told = len(spoken & {word.lower() for word in words[plan.language]})
            matching, stray = (matching + told, stray) if kind == plan.leaf.text else (matching, stray + told)
    assert matching > 10 * stray > 0


def test_all_languages_are_used(plans: list[ClipPlan]) -> None:
    shares = Counter(plan.language for plan in plans)
    assert set(shares) == set(LANGUAGES)
    assert min(shares.values()) > 0.05 * len(plans)


def test_another_seed_is_another_plan_and_the_same_seed_the_same() -> None:
    assert plan_corpus(64, seed=0) == plan_corpus(64, seed=0)
    assert plan_corpus(64, seed=0) != plan_corpus(64, seed=1)
