"""A part: the result of one clip on disk, written by a worker as it goes, complete or absent."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from framegate.media.files import is_plain_file, new_file
from framegate.media.pictures.jpeg import decode_jpeg
from framegate.media.pictures.one_size import fit_into
from framegate.media.store.schema import AUDIO, FRAMES

_BATCH_BYTES = 1 << 20
_FITTED_QUALITY = 95  # of pictures that are encoded a second time


class PartWriter:
    """Writes the frames and the audio of one clip, with a few megabytes of memory.

    File names end in the process id until `finish` renames them; the ``.json`` file comes last and makes the part
    complete. So a worker may die at any moment, and one that outlives its master does not write into the files of the
    next worker. Files of the same name, left by an earlier process with this id, are deleted first.

    Attributes:
        frames, windows: numbers of rows added so far.
        size: width and height of the largest frame so far, in pixels; all frames have it in the end.
    """

    def __init__(self, folder: Path, index: int, *, video_id: str) -> None:
        self.frames = 0
        self.windows = 0
        self.size = (0, 0)
        self._mixed = False  # frames of several sizes have come
        self._id = video_id
        self._folder = folder
        self._name = f"{index:08d}"
        self._frames = RowWriter(new_file(self._aside("frames")), FRAMES)
        self._audio = RowWriter(new_file(self._aside("audio")), AUDIO)

    @classmethod
    def salvaged(cls, folder: Path, index: int, *, video_id: str) -> "PartWriter":
        """Start a new part with all complete rows of a writer that died."""
        frames = _whole_batches(folder, f"{index:08d}.frames")
        audio = _whole_batches(folder, f"{index:08d}.audio")
        part = cls(folder, index, video_id=video_id)
        for batch in frames:
            for width, height in zip(*(batch.column(name).to_pylist() for name in ("width", "height")), strict=True):
                part._count(width, height)
            part._frames.add_batch(batch)
        for batch in audio:
            part.windows += batch.num_rows
            part._audio.add_batch(batch)
        return part

    def frame(self, *, source: str, time: float, shot: int, jpeg: bytes, width: int, height: int) -> None:
        """Add one frame: seconds in the source, shot number, the encoded picture, and its size in pixels."""
        self._count(width, height)
        row = {"video_id": self._id, "source": source, "time": time, "shot": shot}
        self._frames.add({**row, "jpeg": jpeg, "width": width, "height": height}, size=len(jpeg))

    def audio(self, *, start: float, rate: int, pcm: np.ndarray) -> None:
        """Add one audio window: mono int16 samples (n,) from ``start`` seconds of the source on, ``rate`` a second."""
        self.windows += 1
        self._audio.add({"video_id": self._id, "start": start, "rate": rate, "pcm": pcm.tobytes()}, size=pcm.nbytes)

    def finish(self, *, row: dict[str, Any] | None, failure: dict[str, Any] | None) -> None:
        """Complete the part with the clip's row of ``videos`` (None: nothing could be read) and its failure, if any."""
        self._frames.close()
        self._audio.close()
        if self._mixed:
            self._fit_frames()
        with new_file(self._aside("json")) as file:
            file.write(json.dumps({"row": row, "failure": failure}, ensure_ascii=False).encode())
        for kind in ("frames", "audio", "json"):
            self._aside(kind).rename(self._folder / f"{self._name}.{kind}")

    def _count(self, width: int, height: int) -> None:
        self._mixed |= self.frames > 0 and (width, height) != self.size
        self.frames += 1
        self.size = max(self.size, (width, height), key=lambda size: size[0] * size[1])

    def _fit_frames(self) -> None:
        """Write the frames anew, all in the size of the largest one."""
        writer = RowWriter(new_file(self._aside("fitted")), FRAMES)
        for batch in pa.ipc.open_stream(pa.memory_map(str(self._aside("frames")))):
            for row in batch.to_pylist():
                fitted = fitted_row(row, *self.size)
                writer.add(fitted, size=len(fitted["jpeg"]))
        writer.close()
        self._aside("fitted").rename(self._aside("frames"))

    def _aside(self, kind: str) -> Path:
        return self._folder / f"{self._name}.{kind}.{os.getpid()}"


class RowWriter:
    """An Arrow stream written row by row into an open file, in batches of bounded size."""

    def __init__(self, file: BinaryIO, schema: pa.Schema, *, batch_bytes: int = _BATCH_BYTES) -> None:
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0
        self._batch_bytes = batch_bytes
        self._file = file
        self._writer = pa.ipc.new_stream(file, schema)

    def add(self, row: dict[str, Any], *, size: int = 0) -> None:
        """Append a row whose payload is ``size`` bytes long."""
        self._rows.append(row)
        self._bytes += size
        if self._bytes >= self._batch_bytes:
            self._flush()

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Append rows that are a batch already."""
        self._flush()
        self._writer.write_batch(batch)
        self._file.flush()

    def close(self) -> None:
        """Write what is left and the end mark, and close the file."""
        self._flush()
        self._writer.close()
        self._file.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_batch(pa.RecordBatch.from_pylist(self._rows, schema=self._schema))
            self._file.flush()  # what is whole outlives a kill
        self._rows, self._bytes = [], 0


def fitted_row(row: dict[str, Any], width: int, height: int) -> dict[str, Any]:
    """Return a row of ``frames`` whose picture is fitted into ``width`` × ``height`` pixels, and encoded again."""
    if (row["width"], row["height"]) == (width, height):
        return row
    from framegate.media.pictures.picture import encode_jpeg  # and FFmpeg: who reads stores does without

    picture = fit_into(decode_jpeg(row["jpeg"]), width, height)
    return row | {"jpeg": encode_jpeg(picture, _FITTED_QUALITY), "width": width, "height": height}


def _whole_batches(folder: Path, name: str) -> list[pa.RecordBatch]:
    """Read the complete batches of the latest writer's stream, which may end anywhere."""
    batches: list[pa.RecordBatch] = []
    written = [path for path in folder.glob(f"{name}.*") if path.suffix[1:].isdigit() and is_plain_file(path)]
    latest = max(written, key=lambda path: path.stat().st_mtime, default=None)
    if latest is not None:
        with contextlib.suppress(pa.ArrowInvalid, OSError):
            batches.extend(pa.ipc.open_stream(latest.read_bytes()))
    return batches
