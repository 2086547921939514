"""Training with broken clips: modalities dropped, swapped for another clip's, or replaced by noise.

A swapped modality looks normal by itself and only its disagreement with the others gives it away; a model that never
met one trusts it. So a part of each training batch is corrupted, and the loss is told what still belongs to the clip.
One modality of a clip is swapped at most: the others, which agree, show whose it is not. Of two that are other clips',
nothing shows which, and who learns from such clips learns to guess. Which modality is swapped how often follows what
its swaps cost: :class:`SwapRates`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor, nn

from framegate.finetune.data.batch import MODALITIES, ClipBatch, Content, Modality, Raw
from framegate.ssl.modules.gather import gather_rows

_ROUNDING = 1e-6  # of chances that add up to 1


@dataclass(frozen=True, kw_only=True)
class Corruptions:
    """How likely it is, in 0..1, that a clip is corrupted.

    ``dropout`` and ``noise``: of each modality, that it is dropped, or made noise; at most 1 together. ``swap``: that
    one of the clip's modalities, any, is another clip's; or by modality, that it is this one, at most 1 together.
    """

    dropout: float
    swap: float | tuple[float, ...]
    noise: float

    def __post_init__(self) -> None:
        chances = (self.dropout, *self.swaps, self.noise)
        if min(chances) < 0 or max(self.dropout + self.noise, sum(self.swaps)) > 1 + _ROUNDING:
            raise ValueError(
                f"{self}: chances are at least 0, and of dropout and noise, or all swaps, at most 1 together"
            )

    @property
    def swaps(self) -> tuple[float, ...]:
        """``swap`` by modality."""
        return self.swap if isinstance(self.swap, tuple) else (self.swap / len(MODALITIES),) * len(MODALITIES)


class SwapRates(nn.Module):
    """How often each modality is swapped: more, where its swaps cost the answer more.

    Where two modalities disagree, a classifier sides with the one that is right more often, if only by little: that
    one's swaps cost it the most. So that one is to be met broken the most. This is group distributionally robust
    optimisation (Sagawa et al. 2020, algorithm 1) over which modality is not the clip's own, with rates for weights:

        log q_m ← log q_m + η (L_m − mean L),    rate_m = swap · softmax(log q)_m

    L_m: the mean fused loss of the clips, on all processes, of which m alone was corrupted. log q is cut at ±1.5, then
    centred: no modality is swapped always, or never. η is small: a batch has few such clips, and rates that follow
    each batch wander.
    """

    log_share: Tensor

    def __init__(self, *, step: float = 0.05) -> None:
        super().__init__()
        self.step = step
        self.register_buffer("log_share", torch.zeros(len(MODALITIES)))

    def balance(self, corruptions: Corruptions) -> Corruptions:
        """``corruptions`` with as many swaps, shared out anew among the modalities.

        Raises:
            ValueError: ``corruptions.swap`` is a rate for each modality: they are shared out already.
        """
        if isinstance(corruptions.swap, tuple):
            raise ValueError("swap is a rate for each modality already: give one number, which is shared out here")
        return replace(corruptions, swap=tuple((corruptions.swap * self.log_share.softmax(dim=0)).tolist()))

    @torch.no_grad()
    def learn(self, corrupted: Tensor) -> None:
        """Learn from a batch: the sum of the fused losses of clips with m alone corrupted, and their number, (2, 3).

        Modalities without such clips stay as they are, and the others are compared with each other.
        """
        total, number = gather_rows(corrupted.unsqueeze(0)).sum(dim=0)
        there = number > 0
        loss = total / number.clamp(min=1)
        mean = (loss * there).sum() / there.sum().clamp(min=1)
        share = (self.log_share + self.step * (loss - mean) * there).clamp(-1.5, 1.5)
        self.log_share.copy_(share - share.mean())


NoiseBank = Mapping[Modality, Tensor]
"""An encoder's features of noise, by modality (K, D), those of one noisy clip side by side.

Needed where a batch holds features; a modality that is left out gets noise that is drawn anew.
"""


def corrupt(
    batch: ClipBatch, policy: Corruptions, generator: Generator, *, noise: NoiseBank | None = None
) -> tuple[ClipBatch, Tensor]:
    """Corrupt a batch in training; at least one modality of each clip stays as it was.

    Args:
        batch: any batch, left as it is.
        policy: the chances.
        generator: the only source of randomness, on the CPU.
        noise: taken in place of noise made here.

    Returns:
        The corrupted batch, and (B, 3) bool: True where the modality is present and the clip's own.
    """
    size, device, present = len(batch), batch.labels.device, batch.present
    other = _derangement(size, generator).to(device)
    edges = torch.tensor((0.0, *policy.swaps), device=device).cumsum(dim=0)
    draw = torch.rand(size, 1, generator=generator).to(device)
    swapped = (edges[:-1] <= draw) & (draw < edges[1:])  # one of a clip at most
    # Nobody gets a modality that its donor lacks, or one that would be its only one; and nobody is its own donor.
    swapped &= present & present[other] & (present.sum(dim=1, keepdim=True) > 1)
    swapped &= (other != torch.arange(size, device=device)).unsqueeze(1)
    spared = _one_of(present & ~swapped, torch.rand(size, len(MODALITIES), generator=generator).to(device))
    draw = torch.rand(size, len(MODALITIES), generator=generator).to(device).masked_fill(spared | swapped, 2.0)
    dropped = draw < policy.dropout
    noisy = ~dropped & (draw < policy.dropout + policy.noise) & present
    seed = int(torch.randint(2**62, (), generator=generator))

    corrupted = _swap(batch, swapped, other)
    corrupted = _make_noise(corrupted, noisy, torch.Generator(device).manual_seed(seed), noise or {})
    corrupted = corrupted.keep(~dropped)
    return corrupted, corrupted.present & ~swapped & ~noisy


def _one_of(present: Tensor, draw: Tensor) -> Tensor:
    """(B, M) bool: one of the present modalities of each clip, where there is any."""
    chosen = draw.masked_fill(~present, -1.0).argmax(dim=1, keepdim=True)
    return torch.zeros_like(present).scatter(1, chosen, True) & present


def _derangement(size: int, generator: Generator) -> Tensor:
    """For each clip another one: a random cyclic order (of one clip, itself)."""
    order = torch.randperm(size, generator=generator)
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    return other


def _swap(batch: ClipBatch, swapped: Tensor, other: Tensor) -> ClipBatch:
    def pick(values: Tensor, rows: Tensor) -> Tensor:
        return torch.where(rows.view(-1, *(1,) * (values.dim() - 1)), values[other], values)

    rows = dict(zip(MODALITIES, swapped.unbind(dim=1), strict=True))
    return replace(
        batch,
        content={name: replace(held, values=pick(held.values, rows[name])) for name, held in batch.content.items()},
        masks={name: pick(mask, rows[name]) for name, mask in batch.masks.items()},
    )


def _make_noise(batch: ClipBatch, noisy: Tensor, generator: Generator, bank: NoiseBank) -> ClipBatch:
    for modality, rows in zip(MODALITIES, noisy.unbind(dim=1), strict=True):
        if modality in batch.content and bool(rows.any()):
            content = batch.content[modality]
            make = _noise_maker(modality, content)
            noise = _put(content.values, rows, batch.masks[modality], make, bank.get(modality), generator)
            batch = batch.with_content(modality, replace(content, values=noise))
    return batch


def noise_for(modality: Modality, contents: Sequence[Raw], generator: Generator) -> list[Raw]:
    """Make noise in place of some clips' raw contents, as :func:`corrupt` does.

    What an encoder makes of it goes into a `NoiseBank`.
    """
    real = torch.cat([content.values for content in contents])
    return [
        Raw(_noise_maker(modality, content)(content.values.unsqueeze(0), real, generator)[0]) for content in contents
    ]


_MakeNoise = Callable[[Tensor, Tensor, Generator], Tensor]
"""From the content (n, T, …) of n clips and all real elements (K, …) of the batch, noise like the former."""


def _noise_maker(modality: Modality, content: Content) -> _MakeNoise:
    match modality:
        case "frames":
            return _noise_pictures if isinstance(content, Raw) else _noise_features
        case "audio":
            return _noise_audio
        case "text":
            return _shuffled_elements if isinstance(content, Raw) else _noise_features


def _put(
    values: Tensor, rows: Tensor, mask: Tensor, make: _MakeNoise, bank: Tensor | None, generator: Generator
) -> Tensor:
    content = values[rows]
    noise = make(content, values[mask], generator) if bank is None else _from_bank(content, bank, generator)
    values = values.clone()
    values[rows] = noise
    return values


def _from_bank(content: Tensor, bank: Tensor, generator: Generator) -> Tensor:
    """As many elements as a clip has, one after the other from a random place on."""
    start = torch.randint(len(bank), (len(content), 1), generator=generator, device=content.device)
    place = (start + torch.arange(content.shape[1], device=content.device)) % len(bank)
    return bank.to(content.device)[place]


def _noise_pictures(content: Tensor, real: Tensor, generator: Generator) -> Tensor:
    """Uniform noise over all pixel values."""
    return torch.randint(0, 256, content.shape, generator=generator, device=content.device, dtype=torch.uint8)


def _noise_features(content: Tensor, real: Tensor, generator: Generator) -> Tensor:
    """Normal noise with the mean and deviation of each feature, the deviation times 0..2 a clip."""
    return real.mean(dim=0) + real.std(dim=0) * _normal(content, generator)


def _noise_audio(content: Tensor, real: Tensor, generator: Generator) -> Tensor:
    """White noise around the batch's mean, as loud as the batch times 0..2 a clip."""
    return real.mean() + real.std() * _normal(content, generator)


def _normal(content: Tensor, generator: Generator) -> Tensor:
    noise = torch.empty_like(content).normal_(generator=generator)
    loudness = content.new_empty(len(content), *(1,) * (content.dim() - 1)).uniform_(0, 2, generator=generator)
    return loudness * noise


def _shuffled_elements(content: Tensor, real: Tensor, generator: Generator) -> Tensor:
    """Tokens, or their features, drawn at random from the batch."""
    return real[torch.randint(len(real), content.shape, generator=generator, device=content.device)]
