"""A stream's packets in decoding order: read one by one, jumped over, looked ahead into."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import av
from av.index import IndexEntry
from av.stream import Discard

from framegate.media.errors import DamagedError, MediaError

if TYPE_CHECKING:
    Packet = av.Packet[Any]  # generic for type checkers alone
else:
    Packet = av.Packet

_JUMP_BYTES = 256 << 10  # reading this much on costs about as much as a seek
_DROP_PACKETS = 4  # emptying a decoder costs about as many frames as it holds back: none where all are keyframes
_LOOK_AHEAD_BYTES = 64 << 20
_STEPS_BACK = (0, 3, 30)  # seconds by which a seek that landed too late is repeated earlier
_LONG_AGO = 10**9  # ticks
_BLANK_BYTES = {
    "mpeg4": 19
}  # packets that hold no picture, which parsers may take for keyframes: FFmpeg's MAX_NVOP_SIZE


class TimedOutError(MediaError):
    """Raised when reading a file takes longer than its time limit."""


class Deadline:
    """A point in time after which reading stops.

    Args:
        seconds: from now.
    """

    def __init__(self, seconds: float = float("inf")) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def check(self) -> None:
        """Raise `TimedOutError` once the time is over."""
        if time.monotonic() > self._end:
            raise TimedOutError(f"timed out after {self._seconds:g} s")


class PacketSource:
    """Reads one stream of a container, and skips the others. A packet without data marks the end, and only the end.

    Packets without data within the stream, which repeat the picture before them, are left out: that picture is then
    shown for so much longer.

    Indexes can be wrong, and some formats have none: after a seek the position is checked, and if it is too late the
    seek is repeated further back.

    Bytes between packets that the demuxer cannot make sense of are passed over, and told in ``damage``.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.VideoStream | av.AudioStream,
        deadline: Deadline,
        *,
        damage: list[str] | None = None,
    ) -> None:
        for other in container.streams:
            other.discard = Discard.default if other is stream else Discard.all
        self._container = container
        self._stream = stream
        self._deadline = deadline
        self._damage = [] if damage is None else damage
        self._demuxed = self._packets()
        self._landed: Packet | None = None  # read already, to see where a seek led
        self._first: tuple[int | None, ...] | None = None  # what tells the stream's first packet, where it was read
        self._moved = False
        self._most_of_a_blank = _BLANK_BYTES.get(stream.codec_context.name, 0) if stream.codec_context else 0
        self._position = 0
        self._jumped = 0  # where the last jump aimed: an index that leads astray does so once
        self._delay = 0  # ticks from a keyframe's decoding to its display
        self._latest: int | None = None
        self.untimed = 0
        self.first_stamp: int | None = None
        self.ended = False
        if "matroska" in container.format.name:
            self._read_index()

    @property
    def end_stamp(self) -> int | None:
        """When the last packet's frame ends, once the end has been reached; None before, and without timestamps."""
        return self._latest if self.ended else None

    def read(self) -> Packet:
        """Return the next packet; one without data marks the end.

        Raises:
            TimedOutError: the deadline has passed.
        """
        self._deadline.check()
        packet = self._next()
        while packet.size == 0 and (following := next(self._demuxed, None)) is not None:
            self._deadline.check()
            self._note(packet)
            packet = following
        self.ended = packet.size == 0
        self._note(packet)
        return packet

    def _packets(self) -> Iterator[Packet]:
        """Demux from here on: where bytes make no sense over a long way, FFmpeg stops, and goes on if asked again."""
        while True:
            try:
                yield from self._container.demux(self._stream)
            except BlockingIOError:
                self._deadline.check()
                self._damage.append("bytes that are no packets")
            except IndexError:  # PyAV at the end of a file in which streams have come up that its header does not have
                return
            else:
                return

    def _next(self) -> Packet:
        packet, self._landed = self._landed or next(self._demuxed, None) or Packet(), None
        if not self._moved:
            self._first, self._moved = _marks(packet) if packet.size else None, True
            self.first_stamp = stamp_of(packet) if self.first_stamp is None else self.first_stamp
        return packet

    def _note(self, packet: Packet) -> None:
        self._position = packet.pos or self._position
        stamp = stamp_of(packet)
        self.untimed += stamp is None and packet.size > 0
        if stamp is not None:
            end = stamp + (packet.duration or 0)
            self._latest = end if self._latest is None else max(self._latest, end)
        if packet.is_keyframe and 0 < packet.size <= self._most_of_a_blank:
            packet.is_keyframe = False
        if packet.is_keyframe and packet.size and packet.pts is not None and packet.dts is not None:
            self._delay = max(self._delay, packet.pts - packet.dts)

    def lies_far(self, target: int) -> bool:
        """Tell whether the index has a keyframe shown before tick ``target`` far ahead of what has been read."""
        return self._keyframe_far_ahead(target) is not None

    def jump(self, target: int) -> bool:
        """Seek to the last keyframe shown before ``target``, if it `lies_far`. Like any seek, this empties decoders."""
        entry = self._keyframe_far_ahead(target)
        if entry is None:
            return False
        self._jumped = entry.pos
        before = self._demuxed
        with suppress(MediaError):  # in a broken file: read on from wherever that has led
            self.seek(entry.timestamp + self._delay)
        return self._demuxed is not before

    def seek(self, stamp: int) -> None:
        """Go to a keyframe shown at ``stamp`` or before: the last one, where the file allows it."""
        assert self._stream.time_base is not None
        for seconds in _STEPS_BACK:
            aim = stamp - round(seconds / self._stream.time_base)
            if (seconds and aim <= (self._stream.start_time or 0)) or self._lands(aim, no_later_than=stamp):
                break
        if self._landed is None:
            self.rewind()

    def rewind(self) -> None:
        """Go back to the beginning.

        Raises:
            MediaError: if no way leads there.
        """
        start = self._stream.start_time or 0
        for offset, in_bytes in ((min(0, start) - _LONG_AGO, False), (start, False), (0, True)):
            if self._move(offset, in_bytes=in_bytes):
                packet = next(self._demuxed)
                if self._first in (None, _marks(packet)):
                    self._landed = packet
                    self._position = 0
                    return
        raise DamagedError("its beginning cannot be reached a second time")

    def _lands(self, aim: int, *, no_later_than: int) -> bool:
        """Seek to ``aim``, and tell whether that leads to a keyframe in time, which is then the next packet."""
        if not self._move(aim):
            return False
        for packet in self._demuxed:
            self._deadline.check()
            if packet.is_keyframe and packet.size:
                in_time = (stamp_of(packet) or 0) <= no_later_than
                self._landed = packet if in_time else None
                return in_time
        return False

    def _read_index(self) -> None:
        """Have FFmpeg read a Matroska file's index, which it does at the first seek, and go back to the beginning."""
        first = self._next()
        if first.size and stamp_of(first) is None:  # seeking by timestamps would lead anywhere
            self._landed = first
            return
        for backward in (True, False):  # a stream may begin later than the file says
            with suppress(av.FFmpegError):
                self._container.seek(self._stream.start_time or 0, stream=self._stream, backward=backward)
                break
        if stamp_of(first) != self._stream.start_time:  # the file had been read from before: this is not its first
            self._first = None
        self._demuxed = self._packets()
        self._moved = False  # that is the beginning now: some files have none that a seek leads to

    def _move(self, offset: int, *, in_bytes: bool = False) -> bool:
        try:
            self._container.seek(offset, stream=self._stream, unsupported_byte_offset=in_bytes)
        except av.FFmpegError:
            return False
        self._demuxed = self._packets()
        self._landed, self.ended, self._moved = None, False, True
        return True

    def _keyframe_far_ahead(self, target: int) -> IndexEntry | None:
        entries = self._stream.index_entries
        where = entries.search_timestamp(target - self._delay)
        if self.ended or where < 0 or entries[where].pos - max(self._position, self._jumped) < _JUMP_BYTES:
            return None
        entry: IndexEntry = entries[where]
        return entry


def stamp_of(packet: Packet) -> int | None:
    """Return a packet's presentation time in ticks, or failing that its decoding time; None if it has neither."""
    stamp: int | None = packet.pts if packet.pts is not None else packet.dts
    return stamp


def _shown_keyframe(packet: Packet) -> int | None:
    """Return the timestamp of a keyframe that is shown; None for other packets."""
    stamp: int | None = packet.pts if packet.is_keyframe and packet.size and not packet.is_discard else None
    return stamp


def _marks(packet: Packet) -> tuple[int | None, ...]:
    return packet.pts, packet.dts, packet.pos, packet.size


class PacketQueue:
    """Packets read ahead of the decoder, and what they tell about the frames to come.

    Args:
        source: where they come from.
        intra_only: whether the codec has keyframes alone.

    Attributes:
        gap: whether the next packet does not follow the one taken before it, so that the decoder has to be emptied.
    """

    def __init__(self, source: PacketSource, *, intra_only: bool = False) -> None:
        self.gap = False
        self._worth_dropping = 1 if intra_only else _DROP_PACKETS
        self._source = source
        self._queue: deque[Packet] = deque()
        self._stamps: list[int] = []  # of packets read, from the one shown last on
        self._read_to: int | None = None  # nothing that comes is shown before this
        self._bytes = 0
        self._ended = False

    def next(self) -> Packet:
        """Take the next packet."""
        if not self._queue:
            self._read()
        packet = self._queue.popleft()
        self._bytes -= packet.size
        return packet

    def skip_to(self, target: int) -> bool:
        """Read until no later packet can be shown by ``target``, and drop what is not needed for the frame shown then.

        All before the last keyframe shown no later than ``target`` goes, where that saves decoding. False where
        timestamps or memory do not allow it.
        """
        if self._source.jump(target):
            self.clear()
        self._drop_before_keyframe(target)
        while not self._ended and (self._read_to is None or self._read_to <= target):
            packet = self._read()
            if (packet.size and packet.pts is None) or self._bytes > _LOOK_AHEAD_BYTES:
                return False
            if packet.is_keyframe:
                self._drop_before_keyframe(target)
        return True

    def keyframe_near(self, target: int, *, first: int, last: int) -> int | None:
        """Return the timestamp of the keyframe nearest to ``target`` that is shown from tick ``first`` to ``last``.

        Called after `skip_to`, reads on until the first keyframe after ``target``. None where no keyframe lies there.
        """
        keys = [key for packet in self._queue if (key := _shown_keyframe(packet)) is not None]
        while (
            not any(key >= target for key in keys)
            and not self._ended
            and (self._read_to is None or self._read_to <= last)
            and self._bytes <= _LOOK_AHEAD_BYTES
        ):
            if (key := _shown_keyframe(self._read())) is not None:
                keys.append(key)
        return min((key for key in keys if first <= key <= last), key=lambda key: abs(key - target), default=None)

    def holds(self, stamp: int) -> bool:
        """Tell whether the packet of the frame at tick ``stamp`` is still in the queue."""
        return any(packet.pts == stamp for packet in self._queue)

    def stamp_shown_at(self, target: int) -> int | None:
        """Return the timestamp of the frame shown at tick ``target``, after `skip_to`; None before the first frame."""
        shown = max((stamp for stamp in self._stamps if stamp <= target), default=None)
        if shown is not None:
            self._stamps = [stamp for stamp in self._stamps if stamp >= shown]
        return shown

    @property
    def last_stamp(self) -> int | None:
        """The timestamp of the stream's last frame, once everything has been read."""
        return max(self._stamps, default=None) if self._ended else None

    def clear(self) -> None:
        """Forget everything, after the source has moved."""
        self._queue.clear()
        self._stamps.clear()
        self._read_to, self._bytes, self._ended, self.gap = None, 0, False, True

    def _drop_before_keyframe(self, target: int) -> None:
        keys = (i for i, p in enumerate(self._queue) if p.is_keyframe and p.pts is not None and p.pts <= target)
        last = max(keys, default=0)
        if last >= self._worth_dropping:
            for _ in range(last):
                self.next()
            self.gap = True

    def _read(self) -> Packet:
        packet = self._source.read()
        self._queue.append(packet)
        self._bytes += packet.size
        self._ended = packet.size == 0
        if packet.dts is not None:
            self._read_to = packet.dts
        if packet.pts is not None and not packet.is_discard:  # an edit list may have frames decoded, but not shown
            self._stamps.append(packet.pts)
        return packet
