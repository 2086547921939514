"""Ways to make one vector of the streams' vectors, behind one interface; absent streams take no part in any.

Each maps :class:`StreamStates` to :class:`Fused`; of a clip without any modality the result is 0.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from framegate.finetune.hierarchy import Hierarchy
from framegate.finetune.quality import QUALITIES

_SMALL = 1e-3  # an overlap under which two predictions disagree as much as they can


@dataclass(frozen=True, kw_only=True)
class FusionConfig:
    """How the streams become one, at a common ``width``.

    ``modality_dropout``, ``swap`` and ``noise``: the chance, in training, that a modality is dropped, swapped for
    another clip's, or replaced by noise (see ``alterations.py``).
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    name: Literal["reliability", "gmu", "concat", "mean", "attention"] = "reliability"
    width: int = 128
    modality_dropout: float = 0.15
    swap: float = 0.1
    noise: float = 0.1


@dataclass(frozen=True, kw_only=True)
class StreamStates:
    """What M streams say of B clips.

    Attributes:
        hidden: (B, M, W), 0 where absent.
        present: (B, M) bool.
        quality: (B, M, Q), see ``quality.py``.
        log_probs: each stream's own prediction, log p(node) (B, M, N).
    """

    hidden: Tensor
    present: Tensor
    quality: Tensor
    log_probs: Tensor


@dataclass(frozen=True, kw_only=True)
class Fused:
    """``vector`` (B, W); ``reliability`` (B, M), which sums to 1 over the present; ``score`` (B, M), its log-odds."""

    vector: Tensor
    reliability: Tensor
    score: Tensor


class Fusion(Protocol):
    """Any of the modules below."""

    def __call__(self, states: StreamStates) -> Fused:
        """Fuse the streams of each clip."""
        ...


def present_softmax(score: Tensor, present: Tensor) -> Tensor:
    """Softmax of ``score`` (B, M) over the ``present``; 0 elsewhere, and everywhere in a row without any."""
    lowest = torch.finfo(score.dtype).min
    return score.masked_fill(~present, lowest).softmax(dim=-1) * present


class ReliabilityFusion(nn.Module):
    """A weighted mean with weights per clip: which modality to trust here.

        s_m = MLP_m(h_m, presence, quality_m, confidence_m, agreement of m's own prediction with the others')
        r = softmax(s) over the present
        out = Σ_m r_m V_m h_m

    Agreement with stream n is log Σ_node √(p_m p_n) at each level of the taxonomy (minus the Bhattacharyya distance), 0
    where n is absent; confidence is Σ_node p_m², also by level. The evidence carries no gradient: a stream is to learn
    its subject, not to look trustworthy. An MLP per stream, as their vectors differ.
    """

    def __init__(self, width: int, streams: int, hierarchy: Hierarchy, *, hidden: int = 32) -> None:
        super().__init__()
        self.hierarchy = hierarchy
        figures = streams + QUALITIES + hierarchy.depth * (streams + 1)
        self.norm = nn.LayerNorm(width)
        self.values = nn.ModuleList(nn.Linear(width, width) for _ in range(streams))
        self.scores = nn.ModuleList(_score(width + figures, hidden) for _ in range(streams))

    def forward(self, states: StreamStates) -> Fused:
        """Weigh the streams of each clip and add them up."""
        streams = states.hidden.shape[1]
        presence = states.present.to(states.hidden.dtype).unsqueeze(1).expand(-1, streams, -1)
        evidence = torch.cat(
            [
                self.norm(states.hidden.detach()),
                presence,
                states.quality,
                self.confidence(states),
                self.agreement(states),
            ],
            dim=-1,
        )
        score = torch.cat([mlp(evidence[:, m]) for m, mlp in enumerate(self.scores)], dim=1)
        reliability = present_softmax(score, states.present)
        values = torch.stack([value(states.hidden[:, m]) for m, value in enumerate(self.values)], dim=1)
        vector = (reliability.unsqueeze(-1) * values).sum(dim=1)
        return Fused(vector=vector, reliability=reliability, score=score)

    def agreement(self, states: StreamStates) -> Tensor:
        """(B, M, M · D): of each stream with each other by level; 0 with itself and with the absent."""
        root = (states.log_probs.detach() / 2).exp()
        both = states.present.unsqueeze(2) & states.present.unsqueeze(1)
        both = both & ~torch.eye(states.present.shape[1], dtype=torch.bool, device=both.device)
        levels = [self.hierarchy.nodes_at(level) for level in range(1, self.hierarchy.depth + 1)]
        overlap = [root[..., nodes] @ root[..., nodes].transpose(1, 2) for nodes in levels]
        return torch.cat([(each + _SMALL).log() * both for each in overlap], dim=-1)

    def confidence(self, states: StreamStates) -> Tensor:
        """(B, M, D): Σ p² of each stream's prediction by level; 1 is certain."""
        square = (2 * states.log_probs.detach()).exp()
        levels = [self.hierarchy.nodes_at(level) for level in range(1, self.hierarchy.depth + 1)]
        return torch.stack([square[..., nodes].sum(dim=-1) for nodes in levels], dim=-1)


class MeanFusion(nn.Module):
    """The mean of the present streams; with a linear head, the mean of their logits."""

    def forward(self, states: StreamStates) -> Fused:
        """Average the streams of each clip."""
        return _weighted(states, torch.zeros_like(states.hidden[..., 0]))


class ConcatFusion(nn.Module):
    """W [h_1; …; h_M], with zeros for the absent, projected to the common width. Reliabilities are even."""

    def __init__(self, width: int, streams: int) -> None:
        super().__init__()
        self.project = nn.Linear(width * streams, width)

    def forward(self, states: StreamStates) -> Fused:
        """Concatenate and project the streams of each clip."""
        even = _weighted(states, torch.zeros_like(states.hidden[..., 0]))
        some = states.present.any(dim=1, keepdim=True)
        return Fused(
            vector=self.project(states.hidden.flatten(1)) * some, reliability=even.reliability, score=even.score
        )


class GatedUnitFusion(nn.Module):
    """Gated multimodal unit (Arevalo et al. 2017): out = Σ_m z_m ⊙ tanh(W_m h_m), z_m = σ(U_m [h_1; …; h_M]).

    The absent have z = 0. Reliability is the share of a stream's mean gate.
    """

    def __init__(self, width: int, streams: int) -> None:
        super().__init__()
        self.transforms = nn.ModuleList(nn.Linear(width, width) for _ in range(streams))
        self.gates = nn.Linear(width * streams, width * streams)

    def forward(self, states: StreamStates) -> Fused:
        """Gate and add up the streams of each clip."""
        values = torch.stack([layer(states.hidden[:, m]).tanh() for m, layer in enumerate(self.transforms)], dim=1)
        gate = torch.sigmoid(self.gates(states.hidden.flatten(1))).view_as(values) * states.present.unsqueeze(-1)
        share = gate.mean(dim=-1)
        reliability = share / share.sum(dim=1, keepdim=True).clamp(min=torch.finfo(share.dtype).tiny)
        return Fused(vector=(gate * values).sum(dim=1), reliability=reliability, score=share.clamp(min=1e-6).log())


class AttentionFusion(nn.Module):
    """A block of self-attention across the streams, then a mean weighted by a learnt query.

    x_m = h_m + e_m (a vector per stream); one pre-norm transformer layer over the present; r = softmax(q·x) over them.
    """

    def __init__(self, width: int, streams: int, *, heads: int = 4) -> None:
        super().__init__()
        self.identity = nn.Parameter(torch.randn(streams, width) * 0.02)
        self.block = nn.TransformerEncoderLayer(
            width, heads, dim_feedforward=2 * width, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.query = nn.Linear(width, 1)

    def forward(self, states: StreamStates) -> Fused:
        """Let the streams of each clip attend to each other, and pool them."""
        # A row of absent streams alone would softmax over nothing: it attends to its zeros, and is weighed 0 below.
        ignored = ~states.present & states.present.any(dim=1, keepdim=True)
        x = self.block(states.hidden + self.identity, src_key_padding_mask=ignored)
        score = self.query(x).squeeze(-1)
        reliability = present_softmax(score, states.present)
        return Fused(vector=(reliability.unsqueeze(-1) * x).sum(dim=1), reliability=reliability, score=score)


def _score(evidence: int, hidden: int) -> nn.Sequential:
    """An MLP that says 0 at first: a stream that is slow to learn must not be shut out before it has."""
    last = nn.Linear(hidden, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(evidence, hidden), nn.GELU(), last)


def _weighted(states: StreamStates, score: Tensor) -> Fused:
    reliability = present_softmax(score, states.present)
    return Fused(vector=(reliability.unsqueeze(-1) * states.hidden).sum(dim=1), reliability=reliability, score=score)


def make_fusion(config: FusionConfig, streams: int, hierarchy: Hierarchy) -> nn.Module:
    """The fusion that ``config`` names, for that many streams."""
    match config.name:
        case "reliability":
            return ReliabilityFusion(config.width, streams, hierarchy)
        case "gmu":
            return GatedUnitFusion(config.width, streams)
        case "concat":
            return ConcatFusion(config.width, streams)
        case "attention":
            return AttentionFusion(config.width, streams)
        case "mean":
            return MeanFusion()
