"""Heads: from a fused vector to log p(node) over the taxonomy.

A training step needs the families along the batch's labels alone: given that :class:`Part` of the tree, a head reads
and scores no other nodes. At 60,000 leaves that is a tenth of them or less.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import PositiveInt

from framegate.finetune.heads.experts import PathExperts, PathHead
from framegate.finetune.heads.multilabel import MultiLabelExperts
from framegate.finetune.taxonomy.hierarchy import Hierarchy


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """``name``: a mixture of ``experts`` path models, or one ``linear`` one; both for labels that exclude each other.

    ``multilabel``: for clips of several labels, a mixture of experts for each node (see ``multilabel.py``). ``rank``:
    for large vocabularies, the width of the low-rank scores; a head with one also scores no more than the families
    along the labels in a training step. None is full rank, all nodes.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    name: Literal["experts", "linear", "multilabel"] = "experts"
    experts: PositiveInt = 2
    rank: PositiveInt | None = None


def make_head(config: HeadConfig, dim: int, hierarchy: Hierarchy) -> PathHead | PathExperts | MultiLabelExperts:
    """The head that ``config`` names, for vectors of length ``dim``."""
    match config.name:
        case "experts":
            return PathExperts(dim, hierarchy, experts=config.experts, rank=config.rank)
        case "linear":
            return PathHead(dim, hierarchy, rank=config.rank)
        case "multilabel":
            return MultiLabelExperts(dim, hierarchy, experts=config.experts, rank=config.rank)
