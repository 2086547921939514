"""A part: the result of one clip on disk, written by a worker as it goes, complete or absent."""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from framegate.media.schema import AUDIO, FRAMES

_BATCH_BYTES = 1 << 20


class PartWriter:
    """Writes the frames and the sound of one clip; memory stays at a few megabytes.

    The part counts only once `finish` has put its ``.json`` in place, so a worker may die at any moment.
    """

    def __init__(self, folder: Path, index: int, *, video_id: str) -> None:
        self.frames = 0
        self.windows = 0
        self._id = video_id
        self._result = folder / f"{index:08d}.json"
        self._frames = RowWriter(folder / f"{index:08d}.frames", FRAMES)
        self._audio = RowWriter(folder / f"{index:08d}.audio", AUDIO)

    @classmethod
    def salvaged(cls, folder: Path, index: int, *, video_id: str) -> "PartWriter":
        """Begin anew with the rows that a writer which died had written in full."""
        frames = _whole_batches(folder / f"{index:08d}.frames")
        audio = _whole_batches(folder / f"{index:08d}.audio")
        part = cls(folder, index, video_id=video_id)
        for batch in frames:
            part.frames += batch.num_rows
            part._frames.add_batch(batch)
        for batch in audio:
            part.windows += batch.num_rows
            part._audio.add_batch(batch)
        return part

    def frame(self, *, source: str, time: float, shot: int, jpeg: bytes, width: int, height: int) -> None:
        """Add one frame: seconds in the source, shot number, the encoded picture and its size."""
        self.frames += 1
        row = {"video_id": self._id, "source": source, "time": time, "shot": shot}
        self._frames.add({**row, "jpeg": jpeg, "width": width, "height": height}, size=len(jpeg))

    def sound(self, *, start: float, rate: int, pcm: np.ndarray) -> None:
        """Add one sound window: mono int16 samples from ``start`` seconds of the source."""
        self.windows += 1
        self._audio.add({"video_id": self._id, "start": start, "rate": rate, "pcm": pcm.tobytes()}, size=pcm.nbytes)

    def finish(self, *, row: dict[str, Any] | None, failure: dict[str, Any] | None) -> None:
        """Complete the part with the clip's row of ``videos`` (None: nothing could be read) and its failure, if any."""
        self._frames.close()
        self._audio.close()
        aside = self._result.with_suffix(".tmp")
        aside.write_text(json.dumps({"row": row, "failure": failure}, ensure_ascii=False), encoding="utf-8")
        aside.rename(self._result)


class RowWriter:
    """An Arrow stream file written row by row, in batches of bounded size."""

    def __init__(self, path: Path, schema: pa.Schema, *, batch_bytes: int = _BATCH_BYTES) -> None:
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0
        self._batch_bytes = batch_bytes
        self._writer = pa.ipc.new_stream(str(path), schema)

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

    def close(self) -> None:
        """Write what is left and the end mark."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_batch(pa.RecordBatch.from_pylist(self._rows, schema=self._schema))
        self._rows, self._bytes = [], 0


def _whole_batches(path: Path) -> list[pa.RecordBatch]:
    """The batches of a stream that may break off anywhere."""
    batches: list[pa.RecordBatch] = []
    if path.exists():
        with contextlib.suppress(pa.ArrowInvalid, OSError):
            batches.extend(pa.ipc.open_stream(path.read_bytes()))
    return batches
