"""Ways to make one vector of the streams' vectors, behind one interface; absent streams take no part in any.

Each maps :class:`StreamStates` to :class:`Fused`; of a clip without any modality the result is 0.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from framegate.finetune.data.corruption import Corruptions
from framegate.finetune.streams.quality import QUALITIES
from framegate.finetune.taxonomy.hierarchy import Hierarchy

_Share = Annotated[float, Field(ge=0, le=1)]
_SMALL = 1e-6  # the least trust whose logarithm is told apart


@dataclass(frozen=True, kw_only=True)
class FusionConfig:
    """How the streams become one, at a common ``width``.

    ``modality_dropout`` and ``noise``: the chance, in training, that a modality is dropped, or replaced by noise;
    ``swap``: that one modality of a clip is another clip's (see ``corruption.py``). Swaps, the hardest to see through,
    come most.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    name: Literal["reliability", "gmu", "concat", "mean", "attention"] = "reliability"
    width: PositiveInt = 128
    modality_dropout: _Share = 0.05
    swap: _Share = 0.75
    noise: _Share = 0.1

    def __post_init__(self) -> None:
        if self.width % 8:  # the streams' bottlenecks, and the attention's heads
            raise ValueError(f"a fusion's width is divisible by 8, and {self.width} is not")
        _ = self.corruptions  # says which chances do not go together

    @property
    def corruptions(self) -> Corruptions:
        """What is done to training batches."""
        return Corruptions(dropout=self.modality_dropout, swap=self.swap, noise=self.noise)


@dataclass(frozen=True, kw_only=True)
class StreamStates:
    """Outputs of M streams for a batch of B clips.

    Attributes:
        hidden: (B, M, W), 0 where absent.
        present: (B, M) bool.
        quality: (B, M, Q), see ``quality.py``.
        log_probs: each stream's own prediction, log p(node) (B, M, N).
        prior: log p(node) of a clip that shows nothing, (N,).
    """

    hidden: Tensor
    present: Tensor
    quality: Tensor
    log_probs: Tensor
    prior: Tensor


@dataclass(frozen=True, kw_only=True)
class Fused:
    """The fused streams of B clips.

    Attributes:
        vector: (B, W).
        reliability: (B, M), the softmax of ``score`` over the present.
        score: (B, M).
        trust: (B, M) the probability that a modality is the clip's own; None for fusions that know none.
        verdict: log p(leaf) (B, L) by the streams' own predictions, each as far as it is trusted; None likewise.
    """

    vector: Tensor
    reliability: Tensor
    score: Tensor
    trust: Tensor | None = None
    verdict: Tensor | None = None


class Fusion(Protocol):
    """A fusion module: stream states in, fused vector and reliabilities out."""

    def __call__(self, states: StreamStates) -> Fused:
        """Fuse the streams of each clip."""
        ...


def present_softmax(score: Tensor, present: Tensor) -> Tensor:
    """Softmax of ``score`` (B, M) over the ``present``; 0 elsewhere, and everywhere in a row without any."""
    lowest = torch.finfo(score.dtype).min
    return score.masked_fill(~present, lowest).softmax(dim=-1) * present


class ReliabilityFusion(nn.Module):
    """Each stream is the clip's own or it is not; what the streams say together tells which.

    Let o_m say whether modality m belongs to the clip. If it does, stream m's prediction is evidence for a leaf y,
    e_m(y) = β_m (log p_m(y) − log p₀(y)), p₀ the prior of the training labels; if not, it is none. With prior odds from
    how m itself looks, the sum over all 2^M cases of who is to be trusted factorises:

        s_m = MLP_m(h_m, quality_m, confidence_m)                log-odds of o_m before hearing the others
        p(y) ∝ p₀(y) Π_m (1 + exp(s_m + e_m(y)))                 the verdict: a product of experts that may be broken
        t_m = Σ_y p(y) σ(s_m + e_m(y))                           trust, p(o_m) after hearing them: agreement raises it
        r_m = t_m / Σ t, the softmax of log t over the present   reliability
        out = Σ_m √t_m σ(U_m [h_1; …; h_M]) ⊙ tanh(V_m h_m)      gated multimodal units, as far as they are trusted

    What trust rests on carries no gradient: a stream is to learn its subject, not to look trustworthy. Half of h_m is
    dropped where s_m learns from it: noise shows in many places at once, one training clip in a few. Nor does trust
    in ``out``: it answers whether a modality is the clip's own, not what would suit the head. Its root shuts out what
    is surely broken and takes little from what is merely doubted, which is mostly intact: streams agree less on new
    clips than on those they learnt from. The verdict is there to learn trust from (see ``criterion.py``); as an answer
    it is worse than the head's on ``out``.
    """

    def __init__(self, width: int, streams: int, hierarchy: Hierarchy, *, hidden: int = 32) -> None:
        super().__init__()
        self.hierarchy = hierarchy
        self.look = nn.Sequential(nn.LayerNorm(width), nn.Dropout(0.5))
        self.units = GatedUnits(width, streams)
        self.odds = nn.ModuleList(_odds(width + QUALITIES + hierarchy.depth, hidden) for _ in range(streams))
        self.log_sharpness = nn.Parameter(torch.zeros(streams))

    def forward(self, states: StreamStates) -> Fused:
        """Weigh the streams of each clip and add them up."""
        believed = self.log_odds(states).unsqueeze(-1) + self.gain(states)  # (B, M, L)
        evidence = (F.softplus(believed) * states.present.unsqueeze(-1)).sum(dim=1)
        verdict = (states.prior[self.hierarchy.leaves] + evidence).log_softmax(dim=-1)
        trust = (verdict.exp().unsqueeze(1) * believed.sigmoid()).sum(dim=-1) * states.present
        score = trust.clamp(min=_SMALL).log()
        gate, values = self.units(states.hidden)
        return Fused(
            vector=(trust.detach().sqrt().unsqueeze(-1) * gate * values).sum(dim=1),
            reliability=present_softmax(score, states.present),
            score=score,
            trust=trust,
            verdict=verdict,
        )

    def gain(self, states: StreamStates) -> Tensor:
        """e_m(y) (B, M, L): how much likelier than before each leaf is to each stream."""
        log_odds = (states.log_probs.detach() - states.prior)[..., self.hierarchy.leaves]
        return log_odds * self.log_sharpness.exp().view(-1, 1)

    def log_odds(self, states: StreamStates) -> Tensor:
        """s_m (B, M): what each stream looks like by itself."""
        looks = torch.cat([self.look(states.hidden.detach()), states.quality, self.confidence(states)], dim=-1)
        return torch.cat([mlp(looks[:, m]) for m, mlp in enumerate(self.odds)], dim=1)

    def confidence(self, states: StreamStates) -> Tensor:
        """(B, M, D): Σ p² of each stream's prediction by level; 1 is certain."""
        square = (2 * states.log_probs.detach()).exp()
        levels = [self.hierarchy.nodes_at(level) for level in range(1, self.hierarchy.depth + 1)]
        return torch.stack([square[..., nodes].sum(dim=-1) for nodes in levels], dim=-1)


class MeanFusion(nn.Module):
    """The mean of the present streams; the network answers with the mean of their own heads' logits."""

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


class GatedUnits(nn.Module):
    """Gates σ(U_m [h_1; …; h_M]) and values tanh(V_m h_m), each (B, M, W), of ``hidden`` (B, M, W)."""

    def __init__(self, width: int, streams: int) -> None:
        super().__init__()
        self.transforms = nn.ModuleList(nn.Linear(width, width) for _ in range(streams))
        self.gates = nn.Linear(width * streams, width * streams)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Gates and values."""
        values = torch.stack([layer(hidden[:, m]).tanh() for m, layer in enumerate(self.transforms)], dim=1)
        return torch.sigmoid(self.gates(hidden.flatten(1))).view_as(values), values


class GatedUnitFusion(nn.Module):
    """Gated multimodal unit (Arevalo et al. 2017): out = Σ_m z_m ⊙ tanh(V_m h_m), z_m = σ(U_m [h_1; …; h_M]).

    The absent have z = 0. Reliability is the share of a stream's mean gate.
    """

    def __init__(self, width: int, streams: int) -> None:
        super().__init__()
        self.units = GatedUnits(width, streams)

    def forward(self, states: StreamStates) -> Fused:
        """Gate and add up the streams of each clip."""
        gate, values = self.units(states.hidden)
        gate = gate * states.present.unsqueeze(-1)
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


def _odds(looks: int, hidden: int) -> nn.Sequential:
    """An MLP that says 2 at first: a stream that is slow to learn must not be shut out before it has."""
    last = nn.Linear(hidden, 1)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, 2.0)
    return nn.Sequential(nn.Linear(looks, hidden), nn.GELU(), last)


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
