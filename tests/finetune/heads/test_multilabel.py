"""Clips of several labels: each node against slow sums from the formulas, in float64."""

import math

import pytest
import torch

from framegate.finetune.evaluation.calibration import fit_temperature
from framegate.finetune.heads.multilabel import MultiLabelExperts, Questions, answers, known_answers
from framegate.finetune.losses.multilabel_loss import multilabel_loss
from framegate.finetune.losses.path_losses import LossConfig
from framegate.finetune.taxonomy.hierarchy import Hierarchy
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy

PARENTS = {"x3": "a2", "a": "", "b": "", "a1": "a", "a2": "a", "x1": "a1", "x2": "a1", "b1": "b", "b2": "b", "c": ""}
TAXONOMY = Taxonomy(tuple(Node(id_, parent) for id_, parent in PARENTS.items()))
HIERARCHY = Hierarchy(TAXONOMY)
CLIPS = (("x1", "b2"), ("x1", "x2", "a"), ("a2",), ("c",), ())
KNOWN = (  # what each clip's labels say yes and no to; nothing is known below a2, b1, b2 or c
    ({"a", "b", "a1", "x1", "b2"}, {"c", "a2", "x2", "b1"}),
    ({"a", "a1", "x1", "x2"}, {"b", "c", "a2"}),
    ({"a", "a2"}, {"b", "c", "a1"}),
    ({"c"}, {"a", "b"}),
    (set(), set()),
)
EXACT = {"rtol": 0, "atol": 1e-10}


def nodes(rows):
    width = max(map(len, rows))
    return torch.tensor([[TAXONOMY.resolve(id_) for id_ in row] + [-1] * (width - len(row)) for row in rows])


def make_head(*, rank=None):
    """In float64, with random weights everywhere."""
    torch.manual_seed(0)
    head = MultiLabelExperts(8, HIERARCHY, experts=3, rank=rank).double()
    for layer in (head.gates, head.scores):
        torch.nn.init.normal_(layer.weight)
    return head, torch.randn(len(CLIPS), 8, dtype=torch.float64)


def probabilities(head, x):
    return HIERARCHY.along_paths(head(x).yes).exp()


@torch.no_grad()
@pytest.mark.parametrize("rank", [None, 4])
def test_equals_the_papers_formula_with_its_dummy_expert_along_the_path(rank):
    head, x = make_head(rank=rank)
    found, questions, count = probabilities(head, x), head(x), len(TAXONOMY)

    def score(layer, row, expert, node):
        if rank is None:
            return float(layer.weight[expert * count + node] @ x[row] + layer.bias[expert * count + node])
        rows = slice(expert * rank, (expert + 1) * rank)
        features = (head.project.weight[rows] @ x[row] + head.project.bias[rows]).tanh()
        return float(layer.weight[node] @ features + layer.bias[node])

    for row in range(len(x)):
        q = []
        for node in range(count):
            gates = [math.exp(score(head.gates, row, m, node)) for m in range(3)] + [1.0]
            votes = [1 / (1 + math.exp(-score(head.scores, row, m, node))) for m in range(3)] + [0.0]
            q.append(sum(gate * vote for gate, vote in zip(gates, votes, strict=True)) / sum(gates))
            assert float(questions.no[row, node].exp()) == pytest.approx(1 - q[node], rel=0, abs=1e-10)
        for node in range(count):
            expected = math.prod(q[step] for step in TAXONOMY.path(node))
            assert float(found[row, node]) == pytest.approx(expected, rel=0, abs=1e-10)


@torch.no_grad()
def test_no_node_is_likelier_than_its_parent_and_siblings_share_nothing():
    head, x = make_head()
    below = torch.tensor([node for node in range(len(TAXONOMY)) if TAXONOMY.parents[node] >= 0])
    probs = probabilities(head, x)
    assert (probs[:, below] < probs[:, torch.from_numpy(TAXONOMY.parents)[below]]).all()
    head.gates.bias.fill_(30.0)  # the dummy has no say
    head.scores.bias.fill_(20.0)
    assert (probabilities(head, x) > 0.99).all()
    head.gates.bias.fill_(-60.0)  # and now all of it
    assert (probabilities(head, x) < 1e-6).all()


def test_what_labels_answer():
    holds, known = known_answers(nodes(CLIPS), HIERARCHY)
    for row, (yes, no) in enumerate(KNOWN):
        assert {TAXONOMY.ids[node] for node in holds[row].nonzero()} == yes
        assert {TAXONOMY.ids[node] for node in known[row].nonzero()} == yes | no


@torch.no_grad()
@pytest.mark.parametrize("name", ["path", "levels", "hxe"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_binary_cross_entropy_of_what_is_known(name, smoothing):
    head, x = make_head()
    questions = head(x)
    config = LossConfig(hierarchy=name, alpha=0.7, label_smoothing=smoothing)
    found = multilabel_loss(questions, nodes(CLIPS), HIERARCHY, config)
    for row, (yes, no) in enumerate(KNOWN):
        expected = 0.0
        for id_ in yes | no:
            node = TAXONOMY.resolve(id_)
            level, q = len(TAXONOMY.path(node)), math.exp(float(questions.yes[row, node]))
            target = (1 - smoothing / 2) if id_ in yes else smoothing / 2
            weight = {"path": 1.0, "levels": (4 - level) / 3, "hxe": math.exp(-0.7 * (level - 1))}[name]
            expected -= weight * (target * math.log(q) + (1 - target) * math.log(1 - q))
        assert float(found[row]) == pytest.approx(expected, rel=0, abs=1e-10)


@pytest.mark.parametrize("rank", [None, 4])
def test_the_loss_over_a_part_equals_the_whole_trees_with_its_gradients(rank):
    head, x = make_head(rank=rank)
    labels = nodes(CLIPS[2:])
    losses, gradients = [], []
    for part in (None, HIERARCHY.part(labels)):
        each = multilabel_loss(head(x[2:], part), labels, HIERARCHY, LossConfig(hierarchy="levels"), part=part)
        losses.append(each.detach())
        gradients.append(torch.autograd.grad(each.sum(), list(head.parameters())))
    torch.testing.assert_close(losses[0], losses[1], **EXACT)
    for whole, its in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, its, **EXACT)


def test_a_sure_mistake_is_still_learnt_from():
    head, x = make_head()
    head, x = head.float(), x.float()
    with torch.no_grad():
        head.gates.bias.fill_(60.0)
        head.scores.bias.fill_(60.0)  # yes to everything: q rounds to 1
    multilabel_loss(head(x), nodes((("c",),) * len(CLIPS)), HIERARCHY, LossConfig()).sum().backward()
    wrong = [m * len(TAXONOMY) + TAXONOMY.resolve(id_) for m in range(3) for id_ in ("a", "b")]
    assert all(torch.isfinite(p.grad).all() for p in head.parameters())
    assert (head.scores.bias.grad[wrong].view(3, 2).sum(dim=0) > 1).all()


@pytest.mark.parametrize("rank", [None, 3])
def test_a_head_learns_labels_that_stand_together_and_its_experts_part(rank):
    torch.manual_seed(0)
    head = MultiLabelExperts(4, HIERARCHY, experts=2, rank=rank)
    x, labels = torch.eye(4), nodes((("x1", "b2"), ("x1",), ("b2", "x3"), ("c",)))
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        multilabel_loss(head(x), labels, HIERARCHY, LossConfig()).sum().backward()
        optimizer.step()
    holds, known = known_answers(labels, HIERARCHY)
    assert torch.equal((head(x).yes.exp() > 0.5)[known], holds[known])
    if rank is None:
        one, other = (head.scores(x).view(4, 2, -1)[:, m] for m in (0, 1))
    else:
        one, other = (head.scores(values.tanh()) for values in head.project(x).chunk(2, dim=1))
    assert (one - other).abs().max() > 0.1


def test_the_prior_is_how_often_each_answer_was_yes():
    head, _ = make_head()
    head.learn_prior(nodes(CLIPS))
    prior = head.prior.exp()
    a, a1 = (3 + 1) / (4 + 2), (2 + 1) / (3 + 2)  # 3 of the 4 labelled clips are of a, 2 of those 3 of a1
    assert prior[TAXONOMY.resolve("a")] == pytest.approx(a)
    assert prior[TAXONOMY.resolve("x1")] == pytest.approx(a * a1 * (2 + 1) / (2 + 2))
    assert prior[TAXONOMY.resolve("x3")] == pytest.approx(a * (1 + 1) / (3 + 2) * 1 / 2)


def test_temperatures_undo_what_made_the_answers_too_sure():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, len(TAXONOMY), dtype=torch.float64, generator=generator)
    holds = torch.rand(logits.shape, generator=generator) < logits.sigmoid()  # given that the parent does
    honest, sure = answers(logits), answers(3 * logits)
    for one in (honest.calibrated(torch.ones(3), HIERARCHY), sure.calibrated(torch.full((3,), 3.0), HIERARCHY)):
        torch.testing.assert_close(one.yes, honest.yes, **EXACT)
        torch.testing.assert_close(one.no, honest.no, **EXACT)
    roots = HIERARCHY.nodes_at(1)
    labels = torch.where(holds[:, roots], roots, -1)  # nothing is known below them
    some = (labels >= 0).any(dim=1)
    questions = Questions(sure.yes[some], sure.no[some])
    found = fit_temperature(HIERARCHY.along_paths(questions.yes), labels[some], HIERARCHY, questions=questions)
    # Clips that nothing holds of are not among them, so the rest hold more than they say.
    assert found[0] == pytest.approx(3.0, rel=0.25)
    assert found[1:].equal(torch.ones(2))
