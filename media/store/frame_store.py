"""Read a frame store: frames by number, by video and by time, without copies of the files."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import pyarrow as pa

from framegate.media.clip_layout import Layout
from framegate.media.errors import MediaError
from framegate.media.json_files import read_json_object
from framegate.media.options import ExtractOptions
from framegate.media.pictures.jpeg import decode_jpeg
from framegate.media.store.arrow_tables import map_file, read_table
from framegate.media.store.frame_index import Index, audio_index, frame_index
from framegate.media.store.schema import VIDEOS, VIDEOS_BEFORE_ASKED

_JPEG_BEGINS, _JPEG_ENDS = b"\xff\xd8", b"\xff\xd9"
_MAY_BE_ABSENT = {"source", "programme", "label", "split", "title", "description", "borders", "logos", "subtitles"}
_MAX_BOXES = 1000  # finders find a few; each costs time in every frame
_RATES = range(1_000, 192_001)  # samples a second


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a store, without its decoded picture.

    Attributes:
        video_id: id of the clip.
        source: the file that the clip was cut from.
        time: seconds in the source.
        shot: number of the shot, from 0 within the clip.
        jpeg: the encoded picture: a view into the file, valid as long as the store.
        width, height: of the picture, in pixels.
    """

    video_id: str
    source: str
    time: float
    shot: int
    jpeg: memoryview
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class AudioWindow:
    """One stored window of audio.

    Attributes:
        start: second of the first sample in the source.
        rate: samples a second.
        pcm: mono samples (n,) int16.
    """

    start: float
    rate: int
    pcm: np.ndarray


@dataclass(frozen=True, slots=True)
class Video:
    """One row of a store's ``videos`` table.

    Attributes:
        id: of the clip.
        source: the file that the clip was cut from.
        programme, split, title, description: as in the manifest.
        label: nodes of the taxonomy joined by ``|``; may be empty.
        duration: of the clip, in seconds.
        frames: number of stored frames.
        asked_frames: number of frames that were asked for; that of the stored ones in older stores, which do not tell.
        has_audio: whether audio is stored.
        status: ``ok``, or ``partial`` where frames or sound that were asked for are not there.
        layout: the overlays that extraction found.
    """

    id: str
    source: str
    programme: str
    label: str
    split: str
    title: str
    description: str
    duration: float
    frames: int
    asked_frames: int
    has_audio: bool
    status: str
    layout: Layout


class FrameStore:
    """A folder that `extract` has written, memory-mapped.

    Frames are numbered through the whole store, in the manifest's order and by time within a video. Opening reads no
    frame; a store may be pickled, or carried through a fork, into any number of processes, each of which maps the files
    for itself.

    Indexing gives pictures, (H, W, 3) uint8 RGB: one by a number, several by a slice or by numbers.

    >>> store = FrameStore("store")
    >>> store
    FrameStore('store': 3 clips, 10 frames, 1.1 MB)
    >>> store[-1].shape
    (48, 64, 3)
    >>> store[2:5].shape
    (3, 48, 64, 3)
    >>> store.frame(5).video_id
    'b'

    Args:
        path: the store's folder.
        videos: the file of its table ``videos``, for a store that is being written; default: ``videos.arrow`` there.

    Raises:
        MediaError: if there is no complete store in ``path``.
    """

    def __init__(self, path: str | Path, *, videos: Path | None = None) -> None:
        self.path = Path(path)
        table = videos or self.path / "videos.arrow"
        if not table.exists():
            unfinished = (self.path / ".extract").exists()
            hint = "its extraction has not ended: run it again to continue" if unfinished else "no videos.arrow in it"
            raise MediaError(f"{self.path} is no frame store: {hint}")
        self.videos: pa.Table = _read_videos(table)
        self._frames: Index = frame_index(self.path, self.videos)
        self._maps: dict[Path, memoryview] = {}

    def __reduce__(self) -> tuple[type["FrameStore"], tuple[Path]]:
        return FrameStore, (self.path,)

    def __len__(self) -> int:
        return len(self._frames.rows)

    def __repr__(self) -> str:
        megabytes = sum(file.stat().st_size for file in self.path.glob("*.arrow")) / 1e6
        return f"FrameStore({str(self.path)!r}: {len(self.videos)} clips, {len(self)} frames, {megabytes:.1f} MB)"

    def __getitem__(self, item: SupportsIndex | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the picture of one frame, (H, W, 3) uint8 RGB, or for a slice or several numbers those of `frames`.

        Raises:
            IndexError: there is no frame of this number.
            MediaError: the picture is damaged.
        """
        if isinstance(item, slice):
            return self.frames(range(len(self))[item])
        numbers: Any = item
        return self.frames(numbers) if np.ndim(numbers) else self._picture(operator.index(numbers))

    @property
    def extraction(self) -> tuple[ExtractOptions, bool]:
        """The options of the extraction, and whether it looked for overlays; defaults for older stores without them.

        Raises:
            MediaError: the store's ``extract.json`` is damaged.
        """
        mark = self.path / "extract.json"
        if not mark.is_file():
            return ExtractOptions(mode="keyframe"), True
        told = read_json_object(mark)
        try:
            return ExtractOptions.of_sampling(dict(told.get("options", {}))), bool(told.get("layout", True))
        except (ValueError, TypeError, MediaError) as error:
            raise MediaError(f"{mark}: not what an extraction writes ({error})") from error

    @cached_property
    def video_of(self) -> np.ndarray:
        """(len,) int32: the row in `videos` of each frame.

        Raises:
            MediaError: the index is another store's, or damaged.
        """
        return self._frames.checked_videos()

    @property
    def times(self) -> np.ndarray:
        """(len,) float64: seconds in the source of each frame."""
        return self._frames.rows["time"]

    @property
    def shots(self) -> np.ndarray:
        """(len,) int32: the shot of each frame, counted from 0 within its video."""
        return self._frames.rows["shot"]

    def frames(self, numbers: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read the pictures of many frames at once.

        >>> FrameStore("store").frames([0, 3, -1]).shape
        (3, 48, 64, 3)

        Args:
            numbers: (N,) numbers from 0, in any order; negative ones count from the end. Or a mask, (len,) bool.

        Returns:
            (N, H, W, 3) uint8 RGB; (0, 0, 0, 3) for no numbers.

        Raises:
            IndexError: there is no frame of one of the numbers.
            MediaError: a picture is damaged, or the pictures differ in size.
        """
        chosen = np.asarray(numbers)
        if chosen.dtype == bool:
            chosen = np.arange(len(self))[chosen]
        pictures = np.empty((0, 0, 0, 3), np.uint8)
        for place, number in enumerate(chosen):
            picture = self._picture(operator.index(number))
            if place == 0:
                pictures = np.empty((len(chosen), *picture.shape), np.uint8)
            if picture.shape != pictures.shape[1:]:
                first, other = (f"{width} × {height} pixels" for height, width, _ in (pictures[0].shape, picture.shape))
                raise MediaError(
                    f"{self.path}: frames of clip {self._clip(chosen[0])} have {first}, of clip {self._clip(number)} "
                    f"{other}: read frames of one size at a time"
                )
            pictures[place] = picture
        return pictures

    def frame(self, index: int) -> Frame:
        """Return what is known of frame number ``index``, from 0; negative numbers count from the end."""
        row = self._frames.row(index)
        video = int(row["video"])
        return Frame(
            video_id=self._clip(index),
            source=self.videos["source"][video].as_py(),
            time=float(row["time"]),
            shot=int(row["shot"]),
            jpeg=self.jpeg(index),
            width=int(row["width"]),
            height=int(row["height"]),
        )

    def jpeg(self, index: int) -> memoryview:
        """Return the encoded picture of frame number ``index``, a view into the file.

        Raises:
            MediaError: it does not begin and end as a JPEG does: the file was damaged since it was written.
        """
        row = self._frames.row(index)
        data = self._view(self._frames.shards, row)
        if data[:2] != _JPEG_BEGINS or data[-2:] != _JPEG_ENDS:
            raise MediaError(
                f"{self._frames.shards[row['shard']]} is damaged: what should be the picture of {self._clip(index)} at "
                f"{row['time']:.2f} s is no JPEG. Extract into a new folder, or bring the file back from a copy"
            )
        return data

    def _picture(self, index: int) -> np.ndarray:
        data = self.jpeg(index)
        try:
            return decode_jpeg(data)
        except MediaError as error:
            raise MediaError(f"{self.path}: frame {index}, of clip {self._clip(index)}: {error}") from None

    def _clip(self, index: int) -> str:
        """Return the id of the clip of frame number ``index``."""
        name: str = self.videos["id"][int(self._frames.row(index)["video"])].as_py()
        return name

    def frame_range(self, video: int) -> range:
        """Return the numbers of the frames of the video at row ``video`` of `videos`."""
        first, last = self._bounds[video], self._bounds[video + 1]
        return range(int(first), int(last))

    def frame_at(self, video: int, time: float) -> int:
        """Return the number of the frame nearest to ``time`` seconds of the source, in the video at row ``video``.

        Raises:
            MediaError: the video has no frames.
        """
        rows = self.frame_range(video)
        if not rows:
            raise MediaError(f"{self.video(video).id} has no frames")
        times = self.times[rows.start : rows.stop]
        return rows.start + int(np.abs(times - time).argmin())

    def video(self, row: int) -> Video:
        """Return the video at ``row`` of `videos`.

        Raises:
            MediaError: its layout lies outside of its frame.
        """
        values: dict[str, Any] = self.videos.slice(row, 1).to_pylist()[0]
        logos, subtitles = (tuple(map(tuple, values.pop(name) or ())) for name in ("logos", "subtitles"))
        layout = Layout(borders=tuple(values.pop("borders") or (0.0, 0.0, 1.0, 1.0)), logos=logos, subtitles=subtitles)
        if not layout.is_possible:
            raise MediaError(
                f"{self.path / 'videos.arrow'}: the layout of clip {values['id']} lies outside of its frame"
            )
        return Video(**{name: values[name] for name in Video.__slots__ if name != "layout"}, layout=layout)

    def audio(self, row: int) -> list[AudioWindow]:
        """Return the audio windows of the video at ``row`` of `videos`, by time; none for a video without audio.

        Raises:
            MediaError: a window is damaged.
        """
        index = self._audio
        first, last = np.searchsorted(index.rows["video"], [row, row + 1])
        return [self._window(index, number) for number in range(int(first), int(last))]

    def _window(self, index: Index, number: int) -> AudioWindow:
        row = index.row(number)
        pcm = self._view(index.shards, row)
        rate = int(row["rate"])
        if rate not in _RATES or len(pcm) % 2 or len(pcm) != row["length"]:
            clip = self.videos["id"][int(row["video"])].as_py()
            raise MediaError(
                f"{index.shards[row['shard']]} is damaged: the sound of {clip} at {row['start']:.2f} s has "
                f"{len(pcm)} bytes at {rate} Hz. Extract into a new folder, or bring the file back from a copy"
            )
        return AudioWindow(float(row["start"]), rate, np.frombuffer(pcm, np.int16))

    @cached_property
    def _bounds(self) -> np.ndarray:
        counts = self.videos["frames"].to_numpy()
        bounds = np.append(0, np.cumsum(counts, dtype=np.int64))
        if bounds[-1] != len(self) or (counts < 0).any():
            raise MediaError(f"{self.path}: videos.arrow tells of {bounds[-1]} frames, the shards hold {len(self)}")
        return bounds

    @cached_property
    def _audio(self) -> Index:
        return audio_index(self.path, self.videos)

    def _view(self, shards: tuple[Path, ...], row: np.void) -> memoryview:
        shard = shards[row["shard"]]
        if shard not in self._maps:
            self._maps[shard] = memoryview(map_file(shard)).cast("B")
        offset = int(row["offset"])
        return self._maps[shard][offset : offset + int(row["length"])]


def clip_frames(store: FrameStore, row: int) -> np.ndarray:
    """Return all frames of the video at ``row``, (T, H, W, 3) RGB uint8; (0, 0, 0, 3) where it has none."""
    return store.frames(store.frame_range(row))


def clip_audio(store: FrameStore, row: int) -> tuple[np.ndarray, int]:
    """Return the audio windows of the video at ``row``, joined: (n,) float32 in −1..1, and samples a second."""
    windows = store.audio(row)
    if not windows:
        return np.empty(0, np.float32), 16_000
    return np.concatenate([window.pcm for window in windows]).astype(np.float32) / 32768, windows[0].rate


def _read_videos(path: Path) -> pa.Table:
    """Read and check a store's ``videos``, of older stores too."""
    videos = read_table(path, VIDEOS_BEFORE_ASKED)
    if "asked_frames" not in videos.column_names:
        place = VIDEOS.get_field_index("asked_frames")
        videos = videos.add_column(place, VIDEOS.field(place), videos["frames"])
    if videos.schema.field("asked_frames").type != pa.int32():
        raise MediaError(f"{path}: column 'asked_frames' is {videos.schema.field('asked_frames').type}, not int32")
    return _checked(videos, path)


def _checked(videos: pa.Table, path: Path) -> pa.Table:
    """``videos`` with "" for absent text, which stores that others write may leave out."""
    for field in VIDEOS:
        column = videos[field.name]
        if column.null_count and field.name not in _MAY_BE_ABSENT:
            raise MediaError(f"{path}: column {field.name!r} has empty values")
        if column.null_count and field.type == pa.string():
            videos = videos.set_column(videos.schema.get_field_index(field.name), field, column.fill_null(""))
    for name in ("borders", "logos", "subtitles"):
        for lists in videos[name].chunks:
            values = lists
            while isinstance(values, pa.ListArray | pa.FixedSizeListArray):
                values = values.flatten()
            if values.null_count:
                raise MediaError(f"{path}: column {name!r} has empty values")
            largest = np.diff(lists.offsets).max(initial=0) if isinstance(lists, pa.ListArray) else 0
            if largest > _MAX_BOXES:
                raise MediaError(f"{path}: {largest} {name} in one clip; at most {_MAX_BOXES} can be true")
    return videos
