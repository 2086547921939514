"""What `extract` can be asked for, and what it tells."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from framegate.media.errors import MediaError

Mode = Literal["keyframe", "exact"]
Engine = Literal["processes", "ray"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractOptions:
    """How videos are sampled and stored.

    Attributes:
        mode: ``keyframe`` takes the keyframes nearest to the grid, which is cheap; ``exact`` the frames shown at it.
        every: seconds between the grid's times, the first at the clip's start.
        frames: this many frames a clip, in the middles of equal parts, instead of one each ``every`` seconds.
        size: pixels of the stored frames' short side; smaller sources stay as they are.
        quality: JPEG quality, 1..100.
        audio_seconds: sound kept of each clip, in windows spread over it; 0 for none, None for all of it.
        dedupe: leave out frames whose colours differ less than this share from the last stored one's, 0..1; 0: none.
        timeout: seconds that one clip may take; what was read until then is kept.
        max_pixels: larger frames are refused.
        memory_mb: memory that one worker may take.
    """

    mode: Mode = "keyframe"
    every: float = 1.0
    frames: int | None = None
    size: int = 256
    quality: int = 90
    audio_seconds: float | None = 30.0
    dedupe: float = 0.0
    timeout: float = 300.0
    max_pixels: int = 8192 * 8192
    memory_mb: int = 4096

    def __post_init__(self) -> None:
        limits = {"mode": self.mode in ("keyframe", "exact"), "every": self.every > 0, "size": self.size >= 16}
        limits |= {"frames": self.frames is None or self.frames >= 1, "quality": 1 <= self.quality <= 100}
        limits |= {"audio_seconds": self.audio_seconds is None or self.audio_seconds >= 0, "timeout": self.timeout > 0}
        limits |= {"dedupe": 0 <= self.dedupe <= 1, "max_pixels": self.max_pixels > 0, "memory_mb": self.memory_mb > 0}
        if wrong := [f"{name}={getattr(self, name)!r}" for name, right in limits.items() if not right]:
            raise MediaError(f"out of range: {', '.join(wrong)}")

    def identity(self) -> dict[str, Any]:
        """What decides the store's content: everything but the limits of a machine."""
        return {name: value for name, value in asdict(self).items() if name not in ("timeout", "memory_mb")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an extraction has come.

    Attributes:
        done, total: clips, finished ones of earlier runs included.
        ok, partial, failed: the finished clips by outcome.
        frames: frames stored so far.
        seconds: since this call began.
        eta: seconds left at the pace of this call.
    """

    done: int
    total: int
    ok: int
    partial: int
    failed: int
    frames: int
    seconds: float
    eta: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The outcome of an extraction, as in ``summary.json``; ok + partial + failed is the number of clips."""

    ok: int
    partial: int
    failed: int
    frames: int
    seconds: float
    frames_per_second: float
