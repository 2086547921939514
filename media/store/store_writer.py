"""Join parts into a store: shards of bounded size in the order of the manifest; a kill loses no finished clip."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from framegate.media.errors import MediaError
from framegate.media.files import is_plain_file, new_file, to_disk, write_text
from framegate.media.store.frame_index import write_indexes
from framegate.media.store.frame_store import FrameStore
from framegate.media.store.part import RowWriter
from framegate.media.store.schema import AUDIO, FRAMES, VIDEOS_WITH_NOTES, audio_shard, frames_shard

SHARD_BYTES = 256 << 20
_BATCH_ROWS, _BATCH_BYTES = 1024, 32 << 20
_COUNTS = ("ok", "partial", "failed", "frames", "asked_frames")


@dataclass
class State:
    """The committed state: the first ``clips`` clips are in the first ``shards`` shards, after ``seconds`` of work."""

    clips: int = 0
    shards: int = 0
    seconds: float = 0.0
    tally: dict[str, int] = field(default_factory=dict)  # of "ok", "partial", "failed", "frames" and "asked_frames"


class StoreWriter:
    """Takes finished parts in any order, and appends them to the store in the order of the manifest.

    Files of a commit are written first; then ``state.json`` is replaced, which is the commit; then parts are deleted.
    A kill before the replacement leaves the parts, and files that the next commit overwrites; a kill after it leaves
    parts that are not read again. Links are neither followed nor taken for parts.

    Raises:
        MediaError: the folder of parts is a link.
    """

    def __init__(self, store: Path, *, total: int) -> None:
        self.parts = store / ".extract"
        if self.parts.is_symlink():
            raise MediaError(f"{self.parts} is a link: delete it, or give another folder")
        self._store = store
        self._total = total
        self.state = self._read_state()
        self._waiting: dict[int, int] = {}
        self._ready = self.state.clips
        self._ready_bytes = 0
        self._earlier, self._began = self.state.seconds, time.monotonic()
        self.tally = Counter(self.state.tally)  # committed or not
        self.parts.mkdir(exist_ok=True)

    def add(self, index: int) -> None:
        """Note that the part of clip ``index`` is complete, and commit if a shard is full."""
        self.tally += _tally(self._result(index))
        self._waiting[index] = sum(path.stat().st_size for path in self._files(index))
        while self._ready in self._waiting:
            self._ready_bytes += self._waiting.pop(self._ready)
            self._ready += 1
            if self._ready_bytes >= SHARD_BYTES:
                self.commit()

    def commit(self) -> None:
        """Move all parts that are ready into shards."""
        first, last = self.state.clips, self._ready
        if last == first:
            return
        number = self.state.shards
        _merge(frames_shard(self._store, number), FRAMES, [self._part(i, "frames") for i in range(first, last)])
        _merge(audio_shard(self._store, number), AUDIO, [self._part(i, "audio") for i in range(first, last)])
        results = [self._result(index) for index in range(first, last)]
        videos = RowWriter(new_file(self.parts / f"videos-{number:05d}.arrow"), VIDEOS_WITH_NOTES)
        for result in results:
            if result["row"]:
                videos.add(result["row"], size=1024)
        videos.close()
        lines = [json.dumps(result["failure"], ensure_ascii=False) for result in results if result["failure"]]
        write_text(self.parts / f"failures-{number:05d}.jsonl", "".join(f"{line}\n" for line in lines))
        tally = sum(map(_tally, results), Counter(self.state.tally))
        self.state = State(clips=last, shards=number + 1, seconds=self._seconds, tally=dict(tally))
        write_text(self.parts / "state.json", json.dumps(asdict(self.state)))
        self._ready_bytes = 0
        for index in range(first, last):
            for path in self._files(index):
                path.unlink()

    def finish(self, *, splits: Callable[[FrameStore], list[str]] | None = None) -> None:
        """Write the files that describe the whole store; ``videos.arrow``, which makes it complete, comes last.

        Args:
            splits: decides the split of each clip from all their frames; default: they are as the parts have them.
        """
        numbers = range(self.state.shards)
        failures = [_written(self.parts / f"failures-{number:05d}.jsonl").read_text("utf-8") for number in numbers]
        write_text(self._store / "failures.jsonl", "".join(failures))
        aside = self.parts / "videos.arrow"
        _merge(aside, VIDEOS_WITH_NOTES, [self.parts / f"videos-{number:05d}.arrow" for number in numbers])
        write_indexes(self._store, pa.ipc.open_stream(pa.memory_map(str(aside))).read_all())
        summary: dict[str, float] = {name: self.tally[name] for name in _COUNTS}
        summary |= {"seconds": self._seconds, "frames_per_second": self.tally["frames"] / self._seconds}
        write_text(self._store / "summary.json", json.dumps(summary, indent=2))
        if splits is not None:
            aside = _with_splits(aside, splits(FrameStore(self._store, videos=aside)))
        to_disk(aside)
        aside.rename(self._store / "videos.arrow")

    def take_over(self) -> list[int]:
        """Add the complete parts of an earlier run, and return the numbers of the clips that remain."""
        remaining = []
        for index in range(self.state.clips, self._total):
            if is_plain_file(self._part(index, "json")):
                self.add(index)
            else:
                remaining.append(index)
        return remaining

    @property
    def _seconds(self) -> float:
        """Seconds of work until now, in this run and in earlier ones up to their last commits."""
        return self._earlier + time.monotonic() - self._began

    def _read_state(self) -> State:
        path = self.parts / "state.json"
        if not is_plain_file(path):
            return State()
        try:
            state = State(**json.loads(path.read_text()))
            return replace(state, clips=int(state.clips), shards=int(state.shards), tally=dict(state.tally))
        except (ValueError, TypeError, RecursionError) as error:
            raise MediaError(f"{path}: not what an extraction writes: extract into a new folder ({error})") from error

    def _result(self, index: int) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self._part(index, "json").read_text("utf-8"))
        if result["row"]:  # framegate 0.2 did not tell
            result["row"].setdefault("asked_frames", result["row"]["frames"])
        return result

    def _part(self, index: int, kind: str) -> Path:
        return self.parts / f"{index:08d}.{kind}"

    def _files(self, index: int) -> list[Path]:
        return [path for kind in ("json", "frames", "audio") if is_plain_file(path := self._part(index, kind))]


def _with_splits(videos: Path, splits: list[str]) -> Path:
    """Write the table ``videos`` again, with other splits, and return the new file."""
    table = pa.ipc.open_stream(pa.memory_map(str(videos))).read_all()
    place = VIDEOS_WITH_NOTES.get_field_index("split")
    target = videos.with_name("videos-split.arrow")
    with new_file(target) as file, pa.ipc.new_stream(file, VIDEOS_WITH_NOTES) as writer:
        writer.write_table(table.set_column(place, VIDEOS_WITH_NOTES.field(place), pa.array(splits, pa.string())))
    return target


def _tally(result: dict[str, Any]) -> Counter[str]:
    row, failure = result["row"], result["failure"]
    counts = {name: row[name] if row else 0 for name in ("frames", "asked_frames")}
    return Counter({failure["status"] if failure else "ok": 1, **counts})


def _written(path: Path) -> Path:
    """``path``, which an extraction has written.

    Raises:
        MediaError: it is missing, or a link to something else.
    """
    if not is_plain_file(path):
        raise MediaError(f"{path} is missing, or no ordinary file: extract into a new folder")
    return path


def _merge(target: Path, schema: pa.Schema, sources: list[Path]) -> None:
    """Write the rows of ``sources`` as one Arrow stream, in batches of some size: few batches open fast."""
    with new_file(target) as file, pa.ipc.new_stream(file, schema) as writer:
        held, rows, size = list[pa.RecordBatch](), 0, 0
        for batch in (batch for path in sources for batch in pa.ipc.open_stream(pa.memory_map(str(_written(path))))):
            held.append(batch)
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows >= _BATCH_ROWS or size >= _BATCH_BYTES:
                writer.write_table(pa.Table.from_batches(held, schema).combine_chunks())
                held, rows, size = [], 0, 0
        if held:
            writer.write_table(pa.Table.from_batches(held, schema).combine_chunks())
