import torch

from framegate.finetune.calibration import calibrated, fit_calibration, pooled
from framegate.finetune.hierarchy import Hierarchy
from framegate.finetune.losses import path_terms
from framegate.finetune.taxonomy import Node, Taxonomy

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
    found = fit_calibration(log_probs, labels, HIERARCHY, None).temperature
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


def test_without_labels_nothing_is_fitted():
    log_probs, labels = drawn_clips(torch.tensor([3.0, 3.0]), n=10)
    found = fit_calibration(log_probs, torch.full_like(labels, -1), HIERARCHY, log_probs)
    assert torch.equal(found.temperature, torch.ones(2)) and torch.equal(found.share, torch.zeros(2))


def test_the_verdict_gets_the_share_that_the_labels_were_drawn_with():
    generator = torch.Generator().manual_seed(1)
    head, verdict = (
        HIERARCHY.log_probs(torch.randn(6000, len(TAXONOMY), dtype=torch.double, generator=generator) * 2)
        for _ in range(2)
    )
    share = torch.tensor([0.3, 0.8])
    honest = pooled(head, verdict, share, HIERARCHY)
    torch.testing.assert_close(HIERARCHY.from_leaves(honest), honest)
    leaf = torch.multinomial(honest[:, HIERARCHY.leaves].exp(), 1, generator=generator)
    found = fit_calibration(head, HIERARCHY.leaves[leaf], HIERARCHY, verdict)
    torch.testing.assert_close(found.share, share, rtol=0, atol=0.06)
    torch.testing.assert_close(found.temperature, torch.ones(2), rtol=0.1, atol=0)
    labels = HIERARCHY.parent[HIERARCHY.leaves[leaf]]  # known on the first level alone
    assert fit_calibration(head, labels, HIERARCHY, verdict).share[1] == 0


def test_pooled_answers_are_the_products_of_powers_among_siblings():
    generator = torch.Generator().manual_seed(2)
    head, verdict = HIERARCHY.log_probs(torch.randn(2, 1, len(TAXONOMY), dtype=torch.double, generator=generator))
    found = pooled(head, verdict, torch.tensor([0.25, 0.5]), HIERARCHY)[0].exp()
    for family in range(HIERARCHY.families):
        siblings = (HIERARCHY.family == family).nonzero().squeeze(1)
        weight = (0.25, 0.5)[int(HIERARCHY.level[siblings[0]]) - 1]
        product = head[0, siblings].exp() ** (1 - weight) * verdict[0, siblings].exp() ** weight
        torch.testing.assert_close(found[siblings] / found[siblings].sum(), product / product.sum())
