import torch

from framegate.finetune.evaluation.calibration import calibrated, fit_temperature
from framegate.finetune.losses.path_losses import path_terms
from framegate.finetune.taxonomy.hierarchy import Hierarchy
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy

TAXONOMY = Taxonomy((*(Node(f"r{i}") for i in range(3)), *(Node(f"x{i}", f"r{i % 3}") for i in range(12))))
HIERARCHY = Hierarchy(TAXONOMY)


def drawn_clips(sharpness, n=4000):
    """Predictions ``sharpness`` (D,) times as sure, level by level, as the labels drawn of them warrant."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n, len(TAXONOMY), dtype=torch.double, generator=generator) * 1.5
    honest = HIERARCHY.log_probs(logits)
    leaf = torch.multinomial(honest[:, HIERARCHY.leaves].exp(), 1, generator=generator)
    return HIERARCHY.log_probs(logits * sharpness[HIERARCHY.level - 1]), HIERARCHY.leaves[leaf]


def test_the_temperatures_undo_what_made_each_level_too_sure():
    sharpness = torch.tensor([3.0, 0.5])
    log_probs, labels = drawn_clips(sharpness)
    found = fit_temperature(log_probs, labels, HIERARCHY)
    torch.testing.assert_close(found, sharpness, rtol=0.12, atol=0)

    def loss(temperature):
        return path_terms(calibrated(log_probs, temperature, HIERARCHY), labels, HIERARCHY).sum()

    assert loss(found) < loss(torch.ones(2))


def test_a_calibrated_answer_is_a_distribution_over_the_tree_with_siblings_in_their_order():
    log_probs, _ = drawn_clips(torch.tensor([1.0, 1.0]), n=5)
    warm = calibrated(log_probs, torch.tensor([2.0, 0.3]), HIERARCHY)
    torch.testing.assert_close(HIERARCHY.from_leaves(warm), warm)
    for family in range(HIERARCHY.families):
        siblings = (HIERARCHY.family == family).nonzero().squeeze(1)
        assert torch.equal(warm[:, siblings].argsort(dim=1), log_probs[:, siblings].argsort(dim=1))


def test_without_labels_the_temperatures_stay_one():
    log_probs, labels = drawn_clips(torch.tensor([3.0, 3.0]), n=10)
    assert torch.equal(fit_temperature(log_probs, torch.full_like(labels, -1), HIERARCHY), torch.ones(2))
