"""Probabilities over a taxonomy: a softmax among siblings at each step of the path from the root.

    log p(node) = Σ log p(ancestor | its parent), over the path from the root to the node

so a parent's probability is the sum of its children's, and the leaves' sum to one (Redmon & Farhadi 2017, §4).
All by scatter operations over N nodes: no table of classes × classes. Training needs only the families along the
labels' paths, which :meth:`Hierarchy.part` cuts out; decoding needs them all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from framegate.finetune.taxonomy.taxonomy import Taxonomy


class Hierarchy(nn.Module):
    """A taxonomy as index tensors that follow the model's device; holds no parameters, and no state to save.

    Shapes, for N nodes in G families (all children of one parent, or all roots) on D levels:
        ``parent`` (N,) int64, -1 for a root; ``family`` (N,) int64 in 0..G-1; ``level`` (N,) int64, from 1;
        ``paths`` (N, D) int64, the nodes from the root to each node, padded with -1; ``leaves`` (L,) int64.
    """

    parent: Tensor
    family: Tensor
    level: Tensor
    paths: Tensor
    leaves: Tensor

    def __init__(self, taxonomy: Taxonomy) -> None:
        super().__init__()
        paths = torch.full((len(taxonomy), taxonomy.depth), -1)
        for node in range(len(taxonomy)):
            path = taxonomy.path(node)
            paths[node, : len(path)] = torch.tensor(path)
        self._hold(torch.from_numpy(taxonomy.parents), paths, torch.from_numpy(taxonomy.leaves))

    def _hold(self, parent: Tensor, paths: Tensor, leaves: Tensor) -> None:
        self.depth = paths.shape[1]
        family = torch.unique(parent, return_inverse=True)[1]
        self.families = int(family.max()) + 1
        self.register_buffer("parent", parent, persistent=False)
        self.register_buffer("family", family, persistent=False)
        self.register_buffer("level", (paths >= 0).sum(dim=1), persistent=False)
        self.register_buffer("paths", paths, persistent=False)
        self.register_buffer("leaves", leaves, persistent=False)

    def part(self, labels: Tensor) -> "Part":
        """Cut out the families along the paths of ``labels`` (B, K), padded with -1, and all roots.

        It holds every sibling and every ancestor of each of its nodes, so its probabilities equal the whole tree's.
        """
        path = self.paths[labels[labels >= 0]]
        needed = self.family.new_zeros(self.families, dtype=torch.bool)
        needed[self.family[self.parent < 0]] = True
        needed[self.family[path[path >= 0]]] = True
        nodes = needed[self.family].nonzero().squeeze(1)
        place = torch.full_like(self.parent, -1)
        place[nodes] = torch.arange(len(nodes), device=nodes.device)

        def local(whole: Tensor) -> Tensor:
            return torch.where(whole >= 0, place[whole.clamp(min=0)], -1)

        leaves = place[self.leaves]
        return Part(
            nodes=nodes,
            labels=local(labels),
            hierarchy=self._of(local(self.parent[nodes]), local(self.paths[nodes]), leaves[leaves >= 0]),
        )

    @classmethod
    def _of(cls, parent: Tensor, paths: Tensor, leaves: Tensor) -> Self:
        hierarchy = cls.__new__(cls)
        nn.Module.__init__(hierarchy)
        hierarchy._hold(parent, paths, leaves)
        return hierarchy

    def __len__(self) -> int:
        return len(self.parent)

    def nodes_at(self, level: int) -> Tensor:
        """Return the nodes of ``level`` (from 1), in file order.

        >>> from framegate.finetune.taxonomy.taxonomy import Node
        >>> Hierarchy(Taxonomy((Node("a"), Node("a1", "a"), Node("b")))).nodes_at(1).tolist()
        [0, 2]
        """
        return (self.level == level).nonzero().squeeze(1)

    def _below_the_roots(self) -> Iterator[tuple[Tensor, Tensor]]:
        for level in range(2, self.depth + 1):
            nodes = self.nodes_at(level)
            yield nodes, self.parent[nodes]

    def sibling_log_softmax(self, logits: Tensor) -> Tensor:
        """Return log p(node | parent) of logits (..., N): a log-softmax within each family."""
        family = self.family.expand_as(logits)
        shape = (*logits.shape[:-1], self.families)
        peak = logits.new_full(shape, float("-inf")).scatter_reduce(-1, family, logits.detach(), "amax")
        shifted = logits - peak.gather(-1, family)
        total = logits.new_zeros(shape).scatter_add(-1, family, shifted.exp())
        return shifted - total.log().gather(-1, family)

    def sibling_mean(self, values: Tensor) -> Tensor:
        """Return at each node the mean of ``values`` (..., N) over its family."""
        family = self.family.expand_as(values)
        shape = (*values.shape[:-1], self.families)
        total = values.new_zeros(shape).scatter_add(-1, family, values)
        return (total / torch.bincount(self.family)).gather(-1, family)

    def along_paths(self, conditional: Tensor) -> Tensor:
        """Return log p(node) (..., N) from log p(node | parent) (..., N): the sum over the node's path."""
        total = conditional
        for nodes, parents in self._below_the_roots():
            total = total.index_add(-1, nodes, total.index_select(-1, parents))
        return total

    def log_probs(self, logits: Tensor) -> Tensor:
        """Return log p(node) (..., N) of logits (..., N).

        >>> from framegate.finetune.taxonomy.taxonomy import Node
        >>> tree = Hierarchy(Taxonomy((Node("a"), Node("b"), Node("a1", "a"), Node("a2", "a"))))
        >>> tree.log_probs(torch.zeros(4)).exp().tolist()
        [0.5, 0.5, 0.25, 0.25]
        """
        return self.along_paths(self.sibling_log_softmax(logits))

    def conditional(self, log_probs: Tensor) -> Tensor:
        """Return log p(node | parent) (..., N) from log p(node) (..., N), of one path model or of a mixture of them."""
        roots = self.parent < 0
        above = log_probs.index_select(-1, self.parent.clamp(min=0)).masked_fill(roots, 0.0)
        return log_probs - above

    def from_leaves(self, logits: Tensor) -> Tensor:
        """Return log p(node) (..., N) of one softmax over the leaves; an inner node's is the sum of its leaves'.

        ``logits`` (..., N): those of inner nodes are ignored.
        """
        leaves = logits.index_select(-1, self.leaves).log_softmax(dim=-1)
        total = torch.full_like(logits, float("-inf")).index_copy(-1, self.leaves, leaves)
        for nodes, parents in reversed(list(self._below_the_roots())):
            below = total.index_select(-1, nodes)
            index = parents.expand_as(below)
            peak = torch.full_like(total, float("-inf")).scatter_reduce(-1, index, below.detach(), "amax")
            finite = peak.masked_fill(peak.isinf(), 0.0)
            share = torch.zeros_like(total).scatter_add(-1, index, (below - finite.gather(-1, index)).exp())
            inner = share > 0
            total = torch.where(inner, share.masked_fill(~inner, 1.0).log() + finite, total)
        return total

    def totals(self, leaf_values: Tensor) -> Tensor:
        """Sum values at the nodes (..., N) over each node and all below it, such as counts of labelled clips.

        >>> from framegate.finetune.taxonomy.taxonomy import Node
        >>> tree = Hierarchy(Taxonomy((Node("a"), Node("a1", "a"), Node("a2", "a"))))
        >>> tree.totals(torch.tensor([1.0, 2.0, 3.0])).tolist()
        [6.0, 2.0, 3.0]
        """
        total = leaf_values
        for nodes, parents in reversed(list(self._below_the_roots())):
            total = total.index_add(-1, parents, total.index_select(-1, nodes))
        return total


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some families of a tree as a tree of their own.

    Attributes:
        nodes: the whole tree's indices of its n nodes, (n,) int64, rising.
        labels: what the part was cut out for, as indices among ``nodes``, (B, K), padded with -1.
        hierarchy: the tree over ``nodes``; its ``leaves`` are the whole tree's leaves among them.
    """

    nodes: Tensor
    labels: Tensor
    hierarchy: Hierarchy


def best_leaf(log_probs: Tensor, hierarchy: Hierarchy) -> Tensor:
    """Return the most probable leaf (...,) of log p(node) (..., N)."""
    return hierarchy.leaves[log_probs[..., hierarchy.leaves].argmax(dim=-1)]


def most_specific(log_probs: Tensor, hierarchy: Hierarchy, *, threshold: float) -> Tensor:
    """Return the deepest node with p > ``threshold`` (...,), the more probable of equally deep ones; -1 if none.

    With ``threshold`` >= 0.5 such nodes of a distribution lie on one path: the answer contradicts no shallower one.
    """
    probability = log_probs.exp()
    depth_then_probability = (hierarchy.level + probability.clamp(max=1) / 2).masked_fill(
        probability <= threshold, -1.0
    )
    score, node = depth_then_probability.max(dim=-1)
    return torch.where(score > 0, node, -1)


def top_leaves(log_probs: Tensor, hierarchy: Hierarchy, k: int) -> tuple[Tensor, Tensor]:
    """Return the ``k`` most probable leaves, best first: probabilities and nodes, each (..., min(k, L)).

    Equally probable leaves stand in the tree's order, as for :func:`best_leaf`; ``topk`` leaves their order open.
    """
    scores, places = log_probs[..., hierarchy.leaves].sort(dim=-1, descending=True, stable=True)
    return scores[..., :k].exp(), hierarchy.leaves[places[..., :k]]
