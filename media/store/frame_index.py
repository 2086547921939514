"""The position of each frame and each audio window in the shards: a table of fixed-size records.

An index is derived from the store's shards. `extract` leaves it beside them as ``.npy``, which opens by memory map,
whatever the store's size; a store without one (written by other means) gets its index built in memory. The file's name
carries a digest of the shards' names and sizes, so that an index never describes other shards than those it stands by.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from framegate.media.errors import MediaError
from framegate.media.files import new_file
from framegate.media.manifest.paths import stays_inside
from framegate.media.store.arrow_tables import count_rows, map_file, read_batches
from framegate.media.store.schema import AUDIO, FRAMES

_PLACE = [("video", "<i4"), ("shard", "<i4"), ("offset", "<i8"), ("length", "<i8")]
_FRAME = np.dtype([*_PLACE, ("time", "<f8"), ("shot", "<i4"), ("width", "<i4"), ("height", "<i4")])
_AUDIO = np.dtype([*_PLACE, ("start", "<f8"), ("rate", "<i4")])
_SCHEMAS = {"jpeg": FRAMES, "pcm": AUDIO}


@dataclass(frozen=True)
class Index:
    """Records in the order of the rows, and the shards that their field ``shard`` numbers.

    Records may come from an untrusted file: `row` refuses a record that points to no shard or video, and a position
    outside of its shard reads as no bytes.
    """

    folder: Path
    shards: tuple[Path, ...]
    rows: np.ndarray
    videos: int

    def row(self, number: int) -> np.void:
        """Return the record of ``number``, from 0; negative numbers count from the end.

        Raises:
            IndexError: there is none of this number.
            MediaError: the record points to no shard or video of the store.
        """
        row: np.void = self.rows[number]
        if not (0 <= row["shard"] < len(self.shards) and 0 <= row["video"] < self.videos):
            raise self._wrong()
        return row

    def checked_videos(self) -> np.ndarray:
        """Return (rows,) int32: the row in ``videos`` of each record.

        Raises:
            MediaError: some records have none.
        """
        videos: np.ndarray = self.rows["video"]
        if len(videos) and not (videos.min() >= 0 and videos.max() < self.videos):
            raise self._wrong()
        return videos

    def _wrong(self) -> MediaError:
        return MediaError(f"{self.folder}: its index (.npy) is wrong: delete it, it can be done without")


def frame_index(store: Path, videos: pa.Table) -> Index:
    """Return the index of the frames, with the fields ``video, shard, offset, length, time, shot, width, height``."""
    return _load(store, "frames", _FRAME, payload="jpeg", videos=videos)


def audio_index(store: Path, videos: pa.Table) -> Index:
    """Return the index of the audio windows, with the fields ``video, shard, offset, length, start, rate``."""
    return _load(store, "audio", _AUDIO, payload="pcm", videos=videos)


def write_indexes(store: Path, videos: pa.Table) -> None:
    """Write the indexes of a finished store beside its shards."""
    for name, dtype, payload in (("frames", _FRAME, "jpeg"), ("audio", _AUDIO, "pcm")):
        shards = _shards(store, name)
        total = _count(shards)
        target = store / f"{name}-{_digest(shards)}.npy"
        if total:
            new_file(target).close()  # in the place of a link that may stand there, which numpy would follow
            rows = np.lib.format.open_memmap(target, mode="w+", dtype=dtype, shape=(total,))
            _fill(rows, shards, payload=payload, videos=videos)
            rows.flush()


def _load(store: Path, name: str, dtype: np.dtype, *, payload: str, videos: pa.Table) -> Index:
    shards = _shards(store, name)
    ready = store / f"{name}-{_digest(shards)}.npy"
    if ready.exists():
        return Index(store, shards, _read_ready(ready, dtype), videos.num_rows)
    total = _count(shards)
    rows = np.empty(total, dtype)
    _fill(rows, shards, payload=payload, videos=videos)
    return Index(store, shards, rows, videos.num_rows)


def _read_ready(path: Path, dtype: np.dtype) -> np.ndarray:
    try:
        if not (path.is_file() and stays_inside(path, path.parent)):
            raise ValueError("no plain file of the store")
        rows: np.ndarray = np.load(path, mmap_mode="r")
        if rows.dtype != dtype or rows.ndim != 1:
            raise ValueError(f"holds {rows.ndim} dimensions of {rows.dtype}, not records")
    except (ValueError, OSError, SyntaxError, TypeError) as error:  # numpy reads the header as a Python literal
        reason = str(error).splitlines()[0][:100]
        raise MediaError(f"{path} is damaged: delete it, it can be done without ({reason})") from None
    return rows


def _fill(rows: np.ndarray, shards: tuple[Path, ...], *, payload: str, videos: pa.Table) -> None:
    row_of = {name: row for row, name in enumerate(videos["id"].to_pylist())}
    done = 0
    for number, shard in enumerate(shards):
        file = map_file(shard)
        for batch in read_batches(file, shard, _SCHEMAS[payload]):
            part = rows[done : done + batch.num_rows]
            part["video"] = _video_rows(batch["video_id"], row_of, shard)
            part["shard"] = number
            part["offset"], part["length"] = _extents(batch[payload], file)
            for name in set(rows.dtype.names or ()) & set(batch.schema.names):
                if batch[name].null_count:
                    raise MediaError(f"{shard}: column {name!r} has empty values")
                part[name] = batch[name].to_numpy(zero_copy_only=False)
            done += batch.num_rows


def _video_rows(ids: pa.Array, row_of: dict[str, int], shard: Path) -> np.ndarray:
    import pyarrow.compute as pc  # which takes longer to import than a store takes to open

    runs = pc.run_end_encode(ids)
    try:
        rows = [row_of[name] for name in runs.values.to_pylist()]
    except KeyError as error:
        raise MediaError(f"{shard} holds rows of {error}, which is not in videos.arrow") from None
    return np.repeat(rows, np.diff(runs.run_ends.to_numpy(), prepend=0))


def _extents(column: pa.Array, file: pa.Buffer) -> tuple[np.ndarray, np.ndarray]:
    """Return the offsets and lengths of a binary column's values in the mapped file."""
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    return data.address - file.address + bounds[:-1], np.diff(bounds)


def _count(shards: tuple[Path, ...]) -> int:
    return sum(count_rows(map_file(shard), shard) for shard in shards)


def _shards(store: Path, name: str) -> tuple[Path, ...]:
    return tuple(sorted(store.glob(f"{name}-[0-9][0-9][0-9][0-9][0-9].arrow")))


def _digest(shards: tuple[Path, ...]) -> str:
    facts = [(shard.name, shard.stat().st_size) for shard in shards]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]
