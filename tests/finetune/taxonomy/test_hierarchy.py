import math
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from framegate.finetune.heads.experts import PathExperts, PathHead
from framegate.finetune.losses.path_losses import (
    LossConfig,
    class_balanced_weights,
    count_labels,
    hierarchical_loss,
    log_prior,
)
from framegate.finetune.taxonomy.hierarchy import Hierarchy, best_leaf, most_specific, top_leaves
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy

# Children before parents, leaves on two levels, an only child: nothing that a tidy file would have.
PARENTS = {"x3": "a2", "a": "", "b": "", "a1": "a", "a2": "a", "x1": "a1", "x2": "a1", "b1": "b", "b2": "b", "x4": "b2"}
TAXONOMY = Taxonomy(tuple(Node(id_, parent) for id_, parent in PARENTS.items()))
EXACT = {"rtol": 0, "atol": 1e-10}


@pytest.fixture
def hierarchy():
    return Hierarchy(TAXONOMY)


@pytest.fixture
def logits():
    return torch.randn(7, len(TAXONOMY), dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def slow_log_prob(logits, node):
    """log p(node) of one clip, from the definition: a softmax among the siblings at each step of the path."""
    total = 0.0
    for step in TAXONOMY.path(node):
        siblings = [i for i in range(len(TAXONOMY)) if TAXONOMY.parents[i] == TAXONOMY.parents[step]]
        total += logits[step] - torch.logsumexp(logits[siblings], dim=0)
    return total


def assert_is_a_distribution_over_the_tree(log_probs):
    probs = log_probs.exp()
    torch.testing.assert_close(probs[:, TAXONOMY.leaves].sum(dim=1), torch.ones(len(probs), dtype=probs.dtype))
    for node in set(TAXONOMY.parents.tolist()) - {-1}:
        children = (TAXONOMY.parents == node).nonzero()[0]
        torch.testing.assert_close(probs[:, children].sum(dim=1), probs[:, node])


def test_path_probabilities_equal_the_slow_definition(hierarchy, logits):
    slow = torch.stack([torch.stack([slow_log_prob(row, n) for n in range(len(TAXONOMY))]) for row in logits])
    torch.testing.assert_close(hierarchy.log_probs(logits), slow, rtol=0, atol=1e-12)


def test_leaves_sum_to_one_and_parents_to_their_children(hierarchy, logits):
    assert_is_a_distribution_over_the_tree(hierarchy.log_probs(logits))


def test_a_softmax_over_the_leaves_adds_up_towards_the_root(hierarchy, logits):
    leaves = TAXONOMY.leaves
    found = hierarchy.from_leaves(logits)
    assert_is_a_distribution_over_the_tree(found)
    torch.testing.assert_close(found[:, leaves], logits[:, leaves].log_softmax(dim=1), rtol=0, atol=1e-12)
    of_paths = hierarchy.log_probs(logits)
    torch.testing.assert_close(hierarchy.from_leaves(of_paths), of_paths, rtol=0, atol=1e-12)


def test_a_softmax_over_the_leaves_has_a_gradient_however_sure(hierarchy, logits):
    sure = (logits * 1e3).requires_grad_()
    hierarchy.from_leaves(sure).sum().backward()
    assert torch.isfinite(sure.grad).all()


def test_huge_logits_stay_finite(hierarchy, logits):
    log_probs = hierarchy.log_probs(logits.float() * 1e4)
    assert torch.isfinite(log_probs).all()


@pytest.mark.parametrize("rank", [None, 3])
def test_a_mixture_over_paths_is_a_distribution_over_the_tree(hierarchy, rank):
    torch.manual_seed(0)
    x = torch.randn(5, 8)
    for head in (PathExperts(8, hierarchy, experts=3, rank=rank), PathHead(8, hierarchy, rank=rank)):
        torch.nn.init.normal_(head.scores.weight)
        assert_is_a_distribution_over_the_tree(head(x))


@pytest.mark.parametrize("make", [PathHead, partial(PathExperts, experts=3)])
def test_a_low_rank_head_starts_without_an_opinion_and_with_nothing_squeezed(hierarchy, make):
    head = make(8, hierarchy, rank=4)
    torch.testing.assert_close(head(torch.randn(5, 8)), hierarchy.log_probs(torch.zeros(5, len(hierarchy))))
    for rows in head.project.weight.split(4):
        torch.testing.assert_close(rows @ rows.T, torch.eye(4) / 3)


@pytest.mark.parametrize("rank", [None, 4])
def test_a_mixture_is_the_weighted_sum_of_its_experts_paths(hierarchy, rank):
    torch.manual_seed(0)
    head = PathExperts(8, hierarchy, experts=3, rank=rank).double()
    torch.nn.init.normal_(head.scores.weight)
    x = torch.randn(5, 8, dtype=torch.float64)
    found, count = head(x), len(TAXONOMY)
    for row in range(len(x)):
        weights = (head.gate.weight @ x[row] + head.gate.bias).exp()
        slow = torch.zeros(count, dtype=torch.float64)
        for m in range(3):
            if rank is None:
                features, nodes = x[row], slice(m * count, (m + 1) * count)
            else:
                rows = slice(m * rank, (m + 1) * rank)
                features, nodes = (head.project.weight[rows] @ x[row] + head.project.bias[rows]).tanh(), slice(None)
            logits = head.scores.weight[nodes] @ features + head.scores.bias[nodes]
            paths = torch.stack([slow_log_prob(logits, node) for node in range(count)])
            slow += weights[m] / weights.sum() * paths.exp()
        torch.testing.assert_close(found[row].exp(), slow, **EXACT)


def test_a_mixture_of_huge_scores_stays_finite(hierarchy):
    head = PathExperts(8, hierarchy, experts=3)
    log_probs = head(torch.randn(5, 8) * 1e5)
    log_probs.sum().backward()
    assert torch.isfinite(log_probs).all()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters())


def test_conditionals_come_back_from_path_probabilities(hierarchy, logits):
    conditional = hierarchy.sibling_log_softmax(logits)
    torch.testing.assert_close(hierarchy.conditional(hierarchy.along_paths(conditional)), conditional)


def loss(log_probs, labels, tree, counts=None, **options):
    return hierarchical_loss(log_probs, torch.tensor(labels), tree, LossConfig(**options), counts=counts)


def test_hxe_without_discount_is_cross_entropy_over_the_leaves(hierarchy, logits):
    log_probs = hierarchy.log_probs(logits)
    leaves = TAXONOMY.leaves.tolist()
    labels = [leaves[i % len(leaves)] for i in range(len(logits))]
    target = torch.tensor([leaves.index(label) for label in labels])
    plain = F.nll_loss(log_probs[:, leaves], target, reduction="none")
    rows = [[label] for label in labels]
    torch.testing.assert_close(loss(log_probs, rows, hierarchy, hierarchy="hxe", alpha=0.0), plain, **EXACT)
    torch.testing.assert_close(loss(log_probs, rows, hierarchy, hierarchy="path"), plain, **EXACT)


def test_hxe_discounts_each_step_by_its_depth(hierarchy, logits):
    log_probs, node = hierarchy.log_probs(logits), TAXONOMY.resolve("x1")
    found = loss(log_probs, [[node]] * 7, hierarchy, hierarchy="hxe", alpha=0.7)
    for row, its in enumerate(found):
        slow, above = 0.0, 0.0
        for depth, step in enumerate(TAXONOMY.path(node)):
            log_prob = slow_log_prob(logits[row], step)
            slow -= math.exp(-0.7 * depth) * (log_prob - above)
            above = log_prob
        torch.testing.assert_close(its, slow, **EXACT)


def test_levels_is_the_mean_of_the_levels_own_cross_entropies(hierarchy, logits):
    log_probs, node = hierarchy.log_probs(logits), TAXONOMY.resolve("x3")
    expected = -log_probs[:, TAXONOMY.path(node)].mean(dim=1)
    torch.testing.assert_close(loss(log_probs, [[node]] * 7, hierarchy, hierarchy="levels"), expected, **EXACT)


def test_a_label_that_is_an_inner_node_asks_for_no_more(hierarchy, logits):
    log_probs, inner = hierarchy.log_probs(logits), TAXONOMY.resolve("a")
    torch.testing.assert_close(loss(log_probs, [[inner]] * 7, hierarchy), -log_probs[:, inner])


def test_several_labels_are_averaged_and_none_costs_nothing(hierarchy, logits):
    log_probs = hierarchy.log_probs(logits)
    first, second = TAXONOMY.resolve("x1"), TAXONOMY.resolve("b1")
    both = loss(log_probs, [[first, second]] * 7, hierarchy)
    torch.testing.assert_close(both, -(log_probs[:, first] + log_probs[:, second]) / 2)
    assert loss(log_probs, [[-1, -1]] * 7, hierarchy).eq(0).all()


def test_label_smoothing_spreads_each_softmax_over_its_siblings(hierarchy, logits):
    log_probs, node = hierarchy.log_probs(logits), TAXONOMY.resolve("a")
    roots = [TAXONOMY.resolve("a"), TAXONOMY.resolve("b")]
    expected = F.cross_entropy(
        logits[:, roots], torch.zeros(7, dtype=torch.long), label_smoothing=0.2, reduction="none"
    )
    torch.testing.assert_close(loss(log_probs, [[node]] * 7, hierarchy, label_smoothing=0.2), expected)


def test_logit_adjustment_is_a_softmax_of_the_scores_plus_the_log_prior(hierarchy, logits):
    counts = count_labels(torch.tensor([[TAXONOMY.resolve("a")]] * 8 + [[TAXONOMY.resolve("b")]] * 2), hierarchy)
    roots = [TAXONOMY.resolve("a"), TAXONOMY.resolve("b")]
    adjusted = logits[:, roots] + torch.tensor([9.0, 3.0]).log()  # add-one counts
    expected = F.cross_entropy(adjusted, torch.ones(7, dtype=torch.long), reduction="none")
    found = loss(hierarchy.log_probs(logits), [[roots[1]]] * 7, hierarchy, counts=counts, balance="logit_adjust")
    torch.testing.assert_close(found, expected)


def test_counts_add_up_towards_the_root(hierarchy):
    labels = torch.tensor([[TAXONOMY.resolve(label)] for label in ("x1", "x1", "x3", "a", "b1")])
    counts = count_labels(labels, hierarchy)
    assert {label: int(counts[TAXONOMY.resolve(label)]) for label in ("a", "a1", "a2", "x1", "b", "x4")} == {
        "a": 4,
        "a1": 2,
        "a2": 1,
        "x1": 2,
        "b": 1,
        "x4": 0,
    }


def test_class_balanced_weights_favour_the_rare_and_guard_the_unseen(hierarchy):
    labels = torch.tensor([[TAXONOMY.resolve("x1")]] * 90 + [[TAXONOMY.resolve("b1")]] * 10)
    weights = class_balanced_weights(count_labels(labels, hierarchy), hierarchy, beta=0.99)
    rare, common = weights[TAXONOMY.resolve("b1")], weights[TAXONOMY.resolve("x1")]
    torch.testing.assert_close(rare / common, torch.tensor((1 - 0.99**90) / (1 - 0.99**10)))
    torch.testing.assert_close(0.9 * common + 0.1 * rare, torch.tensor(1.0))
    assert weights[TAXONOMY.resolve("x4")] == 1


def test_the_prior_is_a_distribution_over_the_tree(hierarchy):
    counts = count_labels(torch.tensor([[TAXONOMY.resolve("x1")]] * 5), hierarchy)
    assert_is_a_distribution_over_the_tree(log_prior(counts, hierarchy).unsqueeze(0))


def test_decoding(hierarchy):
    ids = TAXONOMY.ids
    probs = dict.fromkeys(ids, 0.0) | {
        "a": 0.7, "a1": 0.65, "a2": 0.05, "x1": 0.35, "x2": 0.3, "x3": 0.05, "b": 0.3, "b1": 0.1, "b2": 0.2, "x4": 0.2
    }  # fmt: skip
    log_probs = torch.tensor([[probs[id_] for id_ in ids]]).log()
    assert ids[best_leaf(log_probs, hierarchy)] == "x1"
    assert ids[most_specific(log_probs, hierarchy, threshold=0.5)] == "a1"
    assert ids[most_specific(log_probs, hierarchy, threshold=0.66)] == "a"
    assert most_specific(log_probs, hierarchy, threshold=0.9).item() == -1
    scores, nodes = top_leaves(log_probs, hierarchy, 3)
    assert [ids[n] for n in nodes[0]] == ["x1", "x2", "x4"]
    torch.testing.assert_close(scores[0], torch.tensor([0.35, 0.3, 0.2]))


LABELS = torch.tensor([[TAXONOMY.resolve(label) for label in row] for row in (("x1", "a"), ("x4", "x4"))] + [[-1, -1]])


def test_a_part_of_the_tree_holds_the_labels_families_and_nothing_else(hierarchy, logits):
    part = hierarchy.part(LABELS[:1])
    assert [TAXONOMY.ids[node] for node in part.nodes] == ["a", "b", "a1", "a2", "x1", "x2"]
    assert part.nodes[part.labels].equal(LABELS[:1])
    assert [TAXONOMY.ids[part.nodes[leaf]] for leaf in part.hierarchy.leaves] == ["x1", "x2"]
    whole = hierarchy.log_probs(logits)[:, part.nodes]
    torch.testing.assert_close(part.hierarchy.log_probs(logits[:, part.nodes]), whole)


def test_a_part_without_labels_is_the_roots(hierarchy):
    assert [TAXONOMY.ids[node] for node in hierarchy.part(LABELS[2:]).nodes] == ["a", "b"]


@pytest.mark.parametrize("make", [PathHead, partial(PathExperts, experts=3)])
@pytest.mark.parametrize("rank", [None, 4])
@pytest.mark.parametrize(
    "options", [{}, {"hierarchy": "levels", "label_smoothing": 0.1}, {"balance": "logit_adjust"}, {"hierarchy": "hxe"},
                {"balance": "class_balanced"}],
)  # fmt: skip
def test_the_loss_over_a_part_equals_the_whole_trees_with_its_gradients(hierarchy, make, rank, options):
    torch.manual_seed(0)
    head, x = make(8, hierarchy, rank=rank).double(), torch.randn(3, 8, dtype=torch.float64)
    torch.nn.init.normal_(head.scores.weight)
    counts = count_labels(torch.tensor([[TAXONOMY.resolve("x1")]] * 8 + [[TAXONOMY.resolve("b1")]] * 2), hierarchy)
    part = hierarchy.part(LABELS)
    losses, gradients = [], []
    for chosen in (None, part):
        each = hierarchical_loss(head(x, chosen), LABELS, hierarchy, LossConfig(**options), counts=counts, part=chosen)
        losses.append(each.detach())
        gradients.append(torch.autograd.grad(each.sum(), list(head.parameters())))
    torch.testing.assert_close(losses[0], losses[1], **EXACT)
    for whole, its in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, its, **EXACT)
