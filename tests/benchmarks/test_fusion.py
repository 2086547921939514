"""The parts of the fusion benchmark that figures hang on."""

import itertools
from pathlib import Path

import pytest
import torch

from framegate.finetune.data.batch import MODALITIES, ClipBatch, Features

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture(autouse=True)
def _benchmarks_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    torch.set_num_threads(1)


def make_batch(size: int, *, offset: float) -> ClipBatch:
    mask = torch.ones(size, 2, dtype=torch.bool)
    content = (torch.arange(float(size)) + offset).view(-1, 1, 1).expand(-1, 2, 1)
    mask[0] = False
    return ClipBatch(
        labels=torch.zeros(size, 1, dtype=torch.long),
        content={name: Features(content.clone()) for name in MODALITIES},
        masks={name: mask.clone() for name in MODALITIES},
    )


def test_the_hard_variant_breaks_a_third_and_repeats() -> None:
    from fusion_study.fusion_data import Clips, hard, to_tensors

    clips = Clips(make_batch(900, offset=0), make_batch(900, offset=10_000), (1, 1, 1))
    broken = hard(clips, seed=3)
    for name in MODALITIES:
        ours, whole = (batch.content[name].values[1:, 0, 0] for batch in (broken, clips.whole))
        noise, other = ours >= 10_000, (ours != whole) & (ours < 10_000)
        assert 0.12 < noise.float().mean() < 0.22
        assert 0.12 < other.float().mean() < 0.22
        assert torch.equal(ours[noise], whole[noise] + 10_000)
    assert torch.equal(broken.present, clips.whole.present)  # nobody is given a modality it lacks
    again = hard(clips, seed=3)
    tensors, repeated = (to_tensors(batch, "own") for batch in (broken, again))
    assert all(torch.equal(tensor, repeated[name]) for name, tensor in tensors.items())


def test_a_swapped_modality_is_another_clips() -> None:
    from fusion_study.fusion_data import swapped

    batch = make_batch(50, offset=0)
    rows = torch.zeros(50, 3, dtype=torch.bool)
    rows[1:, 1] = True
    changed = swapped(batch, rows, torch.Generator().manual_seed(0))
    before, after = (held.content["audio"].values[1:] for held in (batch, changed))
    assert (after != before).all()
    assert sorted(after[:, 0, 0].tolist()) == before[:, 0, 0].tolist()
    assert torch.equal(changed.content["frames"].values, batch.content["frames"].values)


def test_some_clips_lack_what_all_clips_lack() -> None:
    from fusion_study.fusion_data import rows_of

    batch = make_batch(5, offset=0)
    texts = ClipBatch(labels=batch.labels, content={"text": batch.content["text"]}, masks={"text": batch.masks["text"]})
    some = rows_of(texts, torch.tensor([3, 1]))
    assert torch.equal(some.content["text"].values[:, 0, 0], torch.tensor([3.0, 1.0]))
    assert set(some.content) == {"text"}
    assert some.present.tolist() == [[False, False, True]] * 2


def test_the_rank_correlation_pools_the_rows() -> None:
    from fusion_study.fusion_report import rank_correlation

    score = torch.linspace(0, 1, 200)
    right = (score > torch.rand(200, generator=torch.Generator().manual_seed(0))).int()
    rows = [
        {"text": {"here": [1] * 100, "score": score[half].tolist(), "alone": right[half].tolist()}}
        for half in (slice(0, None, 2), slice(1, None, 2))
    ]
    assert rank_correlation(rows, "text") > 0.9
    for row in rows:
        row["text"]["score"] = [-value for value in row["text"]["score"]]
    assert rank_correlation(rows, "text") < -0.9


def test_the_informed_one_sums_over_all_that_may_be_swapped() -> None:
    from fusion_study.fusion_informed import log_evidence

    ratios = torch.rand(4, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.double) * 3
    heard = torch.tensor([[True, True, True], [True, False, True], [False, True, False], [False, False, False]])
    slow = torch.zeros(4, 5, dtype=torch.double)
    for are_own in itertools.product((False, True), repeat=3):
        case = torch.ones_like(slow)
        for modality, is_own in enumerate(are_own):
            case *= (0.8 * torch.where(heard[:, modality, None], ratios[:, modality], 1.0)) if is_own else 0.2
        slow += case
    assert torch.allclose(log_evidence(ratios, heard, swaps=0.2).exp(), slow, atol=1e-12)
    unheard = log_evidence(torch.zeros_like(ratios), torch.zeros_like(heard), swaps=0)
    assert torch.equal(unheard, torch.zeros_like(slow))


def test_concatenation_is_asked_the_same_of_plain_or_trained_like_ours() -> None:
    from fusion_study.fusion_report import comparisons

    whole = {"reliability": 7, "concat": 5, "concat-plain": 4, "informed": 8}
    of_modality = {
        **{"here": [1] * 10, "score": list(range(10)), "trust": {"whole": 0.4, "noise": 0.1, "swapped": 0.3}},
        **{how: [0] * 5 + [1] * 5 for how in ("removed", "noise", "swapped", "alone")},
    }
    found = {
        (kind, "hard", 0): {
            "right": [1] * right + [0] * (10 - right),
            **(dict.fromkeys(("frames", "audio", "text"), of_modality) if kind == "reliability" else {}),
        }
        for kind, right in whole.items()
    }
    lines = [(line["case"], line["peer_name"], line["target"], line["met"]) for line in comparisons(found)]
    assert ("hard: whole", "concat", 3, True) in lines
    assert ("hard: whole", "concat-plain", 3, True) in lines
    assert ("hard: informed", "concat", None, None) in lines


def test_nothing_is_claimed_without_the_row_that_is_compared() -> None:
    from fusion_study.fusion_report import comparisons

    found = {
        (kind, "clean", seed): {"right": [1] * right + [0] * (10 - right)}
        for kind, rights in {"concat": (6, 6), "audio": (5, 4)}.items()
        for seed, right in enumerate(rights)
    }
    assert comparisons(found) == []
