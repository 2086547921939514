"""Settings that follow from what is known of a run: what ``auto`` stands for in a pretraining recipe.

A learning rate or a weight decay that is right for a thousand steps is wrong for ten thousand, and a user's frames are
as many as they are. So the settings are functions of the number of steps, of frames and of the batch, with constants
that were found on two CPU cores: ResNet-18, 64 pixels, 1,260 steps of 32 frames.
"""

from dataclasses import dataclass
from typing import Literal

OptimizerName = Literal["sgd", "lars", "adamw"]

_LARGEST_QUEUE = 65_536
_SMALL_BATCH = 32
_RATE, _LARGEST_RATE = 0.0015, 0.006  # of AdamW, for a batch of 32 and for any
_TOKENS = 0.25  # transformers take this share of a convolutional network's rate
_CONTINUED = 1 / 3  # weights that know something, too
_FADED, _KEPT = 9.45, 0.3  # rate × decay × steps: random weights shall fade, good ones stay
_LARGEST_SHRINK = 0.01  # of the weights by the decay of one step: an average over fewer than 100 is noise
_KEY_STEPS = 50.0  # over how many steps of 32 frames the key encoder averages
_QUEUE_TURNS = 1.5  # and over how many turns of the queue, at least


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is known of a run before it starts.

    Args:
        steps: optimizer updates in all.
        frames: number of frames that are trained on, each counted once.
        batch_size: frames of an update.
        symmetric: each view is once the query and once the key, so that a step makes twice as many keys.
        optimizer: its name.
        starts_from_weights: the backbone's weights are not random.
        has_tokens: the backbone is a transformer.
    """

    steps: int
    frames: int
    batch_size: int
    symmetric: bool
    optimizer: OptimizerName
    starts_from_weights: bool
    has_tokens: bool


def learning_rate(run: RunFacts) -> float:
    """Return the highest learning rate, per 256 images as recipes give it.

    AdamW's grows with the root of the batch (Malladi et al. 2022, *On the SDEs and Scaling Rules for Adaptive Gradient
    Algorithms*), up to a limit; SGD's and LARS's grow with the batch, so their rate per 256 images stays.
    """
    if run.optimizer != "adamw":
        rate = {"sgd": 0.03, "lars": 0.3}[run.optimizer]
        return _rounded(rate * (_CONTINUED if run.starts_from_weights else 1.0))
    highest = min(_RATE * (run.batch_size / _SMALL_BATCH) ** 0.5, _LARGEST_RATE)
    highest *= (_TOKENS if run.has_tokens else 1.0) * (_CONTINUED if run.starts_from_weights else 1.0)
    return _rounded(highest * 256 / run.batch_size)


def weight_decay(run: RunFacts, *, highest_lr: float) -> float:
    """Return the weight decay for a run whose rate is at most ``highest_lr``.

    AdamW's weights are a moving average of their updates over 1 / (rate × decay) steps (Wang & Aitchison 2024, arXiv
    2405.13698). What counts is how much of the run that is, so rate × decay × steps is the same for all runs.
    """
    if run.optimizer != "adamw":
        return {"sgd": 1e-4, "lars": 1e-6}[run.optimizer]
    whole = (_KEPT if run.starts_from_weights else _FADED) / (highest_lr * run.steps)
    return _rounded(min(whole, _LARGEST_SHRINK / highest_lr))


def queue_size(run: RunFacts) -> int:
    """Return the queue's capacity in keys: the largest power of two within half of the frames; at most 65,536.

    More would hold several keys of most frames, made by different encoders. Less than a batch is no queue.

    >>> from functools import partial
    >>> known = {"steps": 1260, "batch_size": 32, "symmetric": True, "optimizer": "adamw"}
    >>> run = partial(RunFacts, **known, starts_from_weights=False, has_tokens=False)
    >>> [queue_size(run(frames=frames)) for frames in (100, 4000, 10_000_000)]
    [32, 1024, 65536]
    """
    half = 1 << max(run.frames // 2, 1).bit_length() - 1
    return max(min(half, _LARGEST_QUEUE), run.batch_size)


def key_momentum(run: RunFacts, *, queue: int | None) -> float:
    """Return the momentum of the key encoder's moving average, 0 to 1.

    It averages over 50 steps of 32 frames, and as many frames in larger batches (Busbridge et al. 2023, *How to Scale
    Your EMA*); but not over less than one and a half turns of the ``queue``, or its keys would be of very different
    encoders. None: there is no queue.
    """
    steps = _KEY_STEPS * _SMALL_BATCH / run.batch_size
    if queue is not None:
        steps = max(steps, _QUEUE_TURNS * queue / (run.batch_size * (2 if run.symmetric else 1)))
    return round(1 - 1 / max(steps, 2.0), 5)


def _rounded(value: float) -> float:
    """Round to three digits, as a person would write it."""
    return float(f"{value:.3g}")
