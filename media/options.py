"""The options of `extract`, its limits, its progress and its summary."""

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self

from framegate.media.errors import MediaError

Mode = Literal["auto", "keyframe", "exact"]
Engine = Literal["processes", "ray"]


MAX_PIXELS = 8192 * 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits that a caller sets for reading untrusted files; nothing in a file can change them.

    Attributes:
        timeout: seconds that one clip may take; frames read until then are kept.
        max_pixels: width × height above which frames are refused.
        memory_mb: megabytes that one worker may allocate.
    """

    timeout: float = 300.0
    max_pixels: int = MAX_PIXELS
    memory_mb: int = 4096


_LIMITS = {limit.name for limit in fields(Limits)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractOptions:
    """How videos are sampled and stored.

    Attributes:
        mode: ``exact`` takes the frames that are shown at the sampling times; ``keyframe`` the keyframes nearest to
            them, which is cheap, and gives fewer frames where keyframes lie further apart; ``auto`` takes keyframes
            where they lie within half a step of the times, and the frames shown at the others.
        every: seconds between sampling times, the first at the clip's start.
        frames: number of frames of a clip, in the middles of equal parts; replaces ``every``.
        size: pixels of the stored frames' short side; smaller sources stay as they are.
        quality: JPEG quality, 1..100.
        audio_seconds: seconds of audio kept of each clip, in evenly spaced windows; 0 for none, None for all of it.
        dedupe: leave out frames whose colours differ less than this share from the last stored one's, 0..1; 0: none.
        timeout, max_pixels, memory_mb: see `Limits`.

    Raises:
        MediaError: a value is out of range.
    """

    mode: Mode = "auto"
    every: float = 1.0
    frames: int | None = None
    size: int = 256
    quality: int = 90
    audio_seconds: float | None = 30.0
    dedupe: float = 0.0
    timeout: float = Limits().timeout
    max_pixels: int = Limits().max_pixels
    memory_mb: int = Limits().memory_mb

    def __post_init__(self) -> None:
        limits = {
            "mode": self.mode in ("auto", "keyframe", "exact"),
            "every": 0.001 <= self.every <= 1e9,
            "frames": self.frames is None or 1 <= self.frames <= 100_000,
            "size": 16 <= self.size <= 4096,
            "quality": 1 <= self.quality <= 100,
            "audio_seconds": self.audio_seconds is None or 0 <= self.audio_seconds <= 1e6,
            "dedupe": 0 <= self.dedupe <= 1,
            "timeout": self.timeout > 0,
            "max_pixels": self.max_pixels > 0,
            "memory_mb": self.memory_mb > 0,
        }
        if wrong := [f"{name}={str(getattr(self, name))[:40]!r}" for name, right in limits.items() if not right]:
            raise MediaError(f"out of range: {', '.join(wrong)}")

    def within(self, limits: Limits) -> Self:
        """Return the same options with other limits."""
        return replace(self, **asdict(limits))

    def identity(self) -> dict[str, Any]:
        """Return the options that decide a store's content: all but ``timeout`` and ``memory_mb``."""
        return {name: value for name, value in asdict(self).items() if name not in ("timeout", "memory_mb")}

    def sampling(self) -> dict[str, Any]:
        """Return the options by which a model samples films as in its training; limits are left to each caller."""
        return {name: value for name, value in asdict(self).items() if name not in _LIMITS}

    @classmethod
    def of_sampling(cls, told: dict[str, Any]) -> Self:
        """Build options from what `sampling` returned, read from an untrusted file; limits in it are ignored.

        Raises:
            MediaError: a value is out of range, or no such option exists.
        """
        from pydantic import TypeAdapter, ValidationError  # which decoding processes do without

        names = {field.name for field in fields(cls)}
        if unknown := sorted(set(told) - names):
            raise MediaError(f"no option of an extraction: {', '.join(unknown)[:100]}")
        try:
            values = {name: value for name, value in told.items() if name not in _LIMITS}
            # Of Python values it would take instances of the class alone where kinds are to be exact.
            return TypeAdapter(cls).validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            raise MediaError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200]) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an extraction has come.

    Attributes:
        done, total: clips, finished ones of earlier runs included.
        ok, partial, failed: the finished clips by outcome.
        frames: frames stored so far.
        seconds: since this call began.
        eta: seconds left at the speed of this call.
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
    asked_frames: int
    seconds: float
    frames_per_second: float
