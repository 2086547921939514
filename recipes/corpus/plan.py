"""Plan the clips: their leaf, programme, split, station look, audio and texts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from framegate.recipes.corpus.leaves import LEAVES, Leaf
from framegate.recipes.corpus.stations import FAMILIES, Look, draw_look
from framegate.recipes.corpus.words import Language, compose_text

__all__ = ["ClipPlan", "plan_corpus"]

Split = Literal["train", "val", "test"]
Audio = Literal["track", "no_track", "unused"]
Text = Literal["both", "title", "description", "none"]

LOOK_FOLLOWS_LEAF = 0.9  # ρ: share of training programmes with the home look of their leaf
CLIPS_PER_PROGRAMME = 6
TEST_SHARE, VAL_SHARE = 1 / 3, 0.1
LACK_AUDIO, LACK_TEXT = 0.08, 0.10
TITLE_ONLY, DESCRIPTION_ONLY = 0.08, 0.08

_ADJECTIVES = ("Amber", "Blue", "Bright", "Clear", "Golden", "Northern", "Quiet", "Silver")
_NOUNS = ("Bridge", "Corner", "Garden", "Harbour", "Lantern", "Mill", "Tower", "Window")

# Streams of random numbers; one each, so that a change in one leaves the others as they were.
_SPLITS, _PROGRAMMES, _HOMES, _LOOKS, _LACKS, _TEXTS = range(1, 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPlan:
    """The plan of a clip, made before anything is drawn.

    Attributes:
        number: 0, 1, …; the clip's leaf is ``number % 16``.
        audio: ``"track"``: an audio track that counts; ``"no_track"``: the file has none; ``"unused"``: it has one, and
            the manifest says ``-``.
        hue: the tint of the programme's pictures, 0–1.
    """

    number: int
    id: str
    leaf: Leaf
    programme: str
    split: Split
    look: Look
    hue: float
    audio: Audio
    language: Language
    title: str
    description: str


@dataclass(frozen=True, slots=True)
class _Programme:
    name: str
    look: Look
    hue: float


def plan_corpus(clips: int, seed: int) -> list[ClipPlan]:
    """Plan ``clips`` clips, in the order of their numbers.

    Leaves take turns. Within each leaf, and so overall, a third of the clips is ``test`` and a tenth ``val``. In the
    training split a programme has its leaf's home look with probability ρ = 0.9; in ``val`` and ``test`` its look is
    drawn without regard to the leaf, so that validation, too, shows what a shortcut is worth.
    """
    splits = _assign_splits(clips, seed)
    programmes = _assign_programmes(splits, seed)
    audio, texts = _assign_lacks(splits, seed)
    plans = []
    for number in range(clips):
        leaf, programme = LEAVES[number % len(LEAVES)], programmes[number]
        language, title, description = compose_text(leaf.text, np.random.default_rng([seed, _TEXTS, number]))
        plans.append(
            ClipPlan(
                number=number,
                id=f"clip-{number:05d}",
                leaf=leaf,
                programme=programme.name,
                split=splits[number],
                look=programme.look,
                hue=programme.hue,
                audio=audio[number],
                language=language,
                title=title if texts[number] in ("both", "title") else "",
                description=description if texts[number] in ("both", "description") else "",
            )
        )
    return plans


def _assign_splits(clips: int, seed: int) -> list[Split]:
    """Assign splits in exact shares over all clips, and to within one clip in each leaf."""
    splits: list[Split] = ["train"] * clips
    rng = np.random.default_rng([seed, _SPLITS])
    before = 0  # clips of earlier leaves
    for leaf in range(len(LEAVES)):
        numbers = rng.permutation(np.arange(leaf, clips, len(LEAVES)))
        test, val = (_quota(before + len(numbers), share) - _quota(before, share) for share in (TEST_SHARE, VAL_SHARE))
        for number in numbers[:test]:
            splits[number] = "test"
        for number in numbers[test : test + val]:
            splits[number] = "val"
        before += len(numbers)
    return splits


def _quota(clips: int, share: float) -> int:
    return int(clips * share + 0.5)


def _assign_programmes(splits: Sequence[Split], seed: int) -> list[_Programme]:
    """Assign a programme to about every six clips of one leaf and split; return the programme of each clip."""
    groups: dict[tuple[int, Split], list[int]] = defaultdict(list)
    for number, split in enumerate(splits):
        groups[number % len(LEAVES), split].append(number)
    parts = [
        (leaf, split, part)
        for (leaf, split), numbers in sorted(groups.items())
        for part in np.array_split(numbers, max(1, round(len(numbers) / CLIPS_PER_PROGRAMME)))
    ]
    families = _assign_families([(leaf, split) for leaf, split, _ in parts], seed)
    programme_of: dict[int, _Programme] = {}
    for index, (_, _, numbers) in enumerate(parts):
        rng = np.random.default_rng([seed, _PROGRAMMES, index])
        name = f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)} {index + 1}"
        programme = _Programme(name, draw_look(families[index], rng), rng.random())
        programme_of |= {int(number): programme for number in numbers}
    return [programme_of[number] for number in range(len(splits))]


def _assign_families(programmes: Sequence[tuple[int, Split]], seed: int) -> list[int]:
    """Assign a look family to each programme (leaf, split): for training its leaf's in nine of ten cases, else any."""
    home = np.random.default_rng([seed, _HOMES]).permutation(FAMILIES)
    rng = np.random.default_rng([seed, _LOOKS])
    training = [index for index, (_, split) in enumerate(programmes) if split == "train"]
    strays = set(rng.permutation(training)[: round((1 - LOOK_FOLLOWS_LEAF) * len(training))].tolist())
    families = []
    for index, (leaf, split) in enumerate(programmes):
        if split != "train":
            families.append(int(rng.integers(FAMILIES)))
        elif index in strays:
            families.append(int((home[leaf] + rng.integers(1, FAMILIES)) % FAMILIES))
        else:
            families.append(int(home[leaf]))
    return families


def _assign_lacks(splits: Sequence[Split], seed: int) -> tuple[list[Audio], list[Text]]:
    """Choose which clips lack audio, and which lack texts, by exact shares.

    The shares hold in every split, and a split of four clips or more has at least one clip without audio and one
    without text. Audio and text are drawn independently: a few clips lack both.
    """
    audio: list[Audio] = ["track"] * len(splits)
    texts: list[Text] = ["both"] * len(splits)
    for stream, split in enumerate(("train", "test", "val")):
        members = [number for number, assigned in enumerate(splits) if assigned == split]
        rng = np.random.default_rng([seed, _LACKS, stream])
        least = 1 if len(members) >= 4 else 0
        silent = rng.permutation(members)[: max(least, round(LACK_AUDIO * len(members)))]
        for place, number in enumerate(silent):
            audio[number] = "no_track" if (place + stream) % 2 == 0 else "unused"
        order, start = rng.permutation(members), 0
        lacking: dict[Text, float] = {"none": LACK_TEXT, "title": TITLE_ONLY, "description": DESCRIPTION_ONLY}
        for what, share in lacking.items():
            count = max(least if what == "none" else 0, round(share * len(members)))
            for number in order[start : start + count]:
                texts[number] = what
            start += count
    return audio, texts
