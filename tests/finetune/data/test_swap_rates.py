"""Which modality is swapped how often, and what that is learnt from."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from framegate.finetune.data.batch import ClipBatch
from framegate.finetune.data.corruption import Corruptions, SwapRates, corrupt
from framegate.finetune.losses.criterion import training_loss
from framegate.finetune.losses.path_losses import LossConfig, hierarchical_loss
from tests.finetune.test_learning import make_batch, make_network
from tests.ssl.processes import in_processes

POLICY = Corruptions(dropout=0.05, swap=0.6, noise=0.1)
BATCHES = (((9.0, 4.0, 2.0), (6.0, 4.0, 4.0)), ((3.0, 0.0, 8.0), (2.0, 0.0, 2.0)))  # sums and numbers, by process


def clips(size: int) -> ClipBatch:
    generator = torch.Generator().manual_seed(7)
    return make_batch(size, generator=generator, centres=torch.randn(2, 6, 16, generator=generator))


def test_rates_follow_what_swaps_cost_and_keep_their_sum() -> None:
    rates = SwapRates(step=0.5)
    assert rates.balance(POLICY).swaps == pytest.approx((0.2, 0.2, 0.2))
    for _ in range(2):
        rates.learn(torch.tensor([[1.0, 4.0, 2.0], [1.0, 2.0, 2.0]]))  # means 1, 2, 1
    by_hand = torch.tensor([-1 / 3, 2 / 3, -1 / 3]).softmax(dim=0) * 0.6
    assert rates.balance(POLICY).swaps == pytest.approx(tuple(by_hand.tolist()))
    assert sum(rates.balance(POLICY).swaps) == pytest.approx(0.6)
    assert (rates.balance(POLICY).dropout, rates.balance(POLICY).noise) == (0.05, 0.1)


def test_modalities_that_were_not_corrupted_stay_where_they_are() -> None:
    rates = SwapRates()
    rates.learn(torch.tensor([[0.0, 9.0, 0.0], [0.0, 3.0, 0.0]]))  # nothing to compare with
    rates.learn(torch.zeros(2, 3))
    assert torch.equal(rates.log_share, torch.zeros(3))
    rates.learn(torch.tensor([[2.0, 0.0, 1.0], [1.0, 0.0, 1.0]]))  # a model without sound
    assert rates.log_share.tolist() == pytest.approx([0.025, 0.0, -0.025])


def test_no_rate_goes_to_nothing_or_to_all() -> None:
    rates = SwapRates(step=10.0)
    for _ in range(20):
        rates.learn(torch.tensor([[9.0, 0.0, 0.0], [1.0, 1.0, 1.0]]))
    swaps = rates.balance(Corruptions(dropout=0.1, swap=1.0, noise=0.2)).swaps
    assert sum(swaps) == pytest.approx(1.0)
    assert 0.8 < swaps[0] < 0.95
    assert min(swaps) > 0.02
    assert rates.balance(Corruptions(dropout=0.6, swap=0.0, noise=0.4)).swaps == (0.0, 0.0, 0.0)


def test_each_modality_is_swapped_at_its_own_rate_and_one_of_a_clip_at_most() -> None:
    batch = clips(4000)
    policy = Corruptions(dropout=0, swap=(0.0, 0.2, 0.7), noise=0)
    corrupted, intact = corrupt(batch, policy, torch.Generator().manual_seed(0))
    assert (~intact).float().mean(dim=0).tolist() == pytest.approx([0.0, 0.2, 0.7], abs=0.02)
    assert (~intact).sum(dim=1).max() == 1
    assert torch.equal(corrupted.content["frames"].values, batch.content["frames"].values)


def test_of_a_swapped_clip_another_modality_stays_and_the_last_one_is_never_swapped() -> None:
    batch = clips(2000)
    batch = batch.keep(torch.rand(2000, 3, generator=torch.Generator().manual_seed(1)) < 0.6)
    for drop, noise in ((1.0, 0.0), (0.0, 1.0)):  # all that may be dropped is, or all that may be noise
        policy = Corruptions(dropout=drop, swap=1.0, noise=noise)
        corrupted, intact = corrupt(batch, policy, torch.Generator().manual_seed(0))
        assert torch.equal(intact.sum(dim=1), batch.present.any(dim=1).int())  # one is spared, and no more than one
    corrupted, intact = corrupt(batch, Corruptions(dropout=1.0, swap=1.0, noise=0.0), torch.Generator().manual_seed(0))
    foreign = corrupted.present & ~intact  # swapped, since all others were dropped
    assert foreign.any(dim=1).float().mean() > 0.1
    assert foreign.sum(dim=1).max() == 1
    assert not foreign[batch.present.sum(dim=1) < 2].any()


def test_chances_beyond_one_are_refused() -> None:
    Corruptions(dropout=0.3, swap=1.0, noise=0.7)
    for swap in (1.1, (0.3, 0.1, 0.7)):
        with pytest.raises(ValueError, match="at most 1 together"):
            Corruptions(dropout=0.3, swap=swap, noise=0.1)
    with pytest.raises(ValueError, match="at most 1 together"):
        Corruptions(dropout=0.6, swap=0.1, noise=0.5)
    with pytest.raises(ValueError, match="at least 0"):
        Corruptions(dropout=0.3, swap=(0.1, -0.1, 0.1), noise=0.1)


def test_the_loss_says_what_clips_with_one_corrupted_modality_cost() -> None:
    torch.manual_seed(0)
    model, batch = make_network().eval(), clips(6)
    output = model(batch)
    intact = torch.ones(6, 3, dtype=torch.bool)
    intact[[0, 1, 2, 3, 3], [1, 1, 2, 0, 1]] = False  # clip 3 has two corrupted: it tells of neither
    batch.labels[1] = -1  # not labelled: it costs nothing
    corrupted = training_loss(output, batch.labels, intact, model.hierarchy, LossConfig()).corrupted
    each = hierarchical_loss(output.log_probs.detach(), batch.labels, model.hierarchy, LossConfig())
    torch.testing.assert_close(corrupted, torch.tensor([[0, each[0], each[2]], [0.0, 1.0, 1.0]]))
    assert not corrupted.requires_grad


def learnt(rank: int, _: int) -> Tensor:
    rates = SwapRates()
    rates.learn(torch.tensor(BATCHES[rank]))
    return rates.log_share


def test_processes_share_what_they_learn(tmp_path: Path) -> None:
    one, other = in_processes(learnt, count=2, folder=tmp_path)
    assert torch.equal(one, other)
    alone = SwapRates()
    alone.learn(torch.tensor(BATCHES).sum(dim=0))
    torch.testing.assert_close(one, alone.log_share)
    assert alone.log_share.abs().max() > 0


def test_swaps_that_are_shared_out_already_are_refused() -> None:
    with pytest.raises(ValueError, match="a rate for each modality already"):
        SwapRates().balance(replace(POLICY, swap=(0.1, 0.1, 0.1)))
