"""Parts to a store: shards of bounded size in the manifest's order; a kill loses and repeats nothing."""

import json
import os
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from framegate.media.index import write_indexes
from framegate.media.part import RowWriter
from framegate.media.schema import AUDIO, FRAMES, VIDEOS, audio_shard, frames_shard

SHARD_BYTES = 256 << 20
_BATCH_ROWS, _BATCH_BYTES = 1024, 32 << 20


@dataclass
class State:
    """What has been committed: the first ``clips`` clips, in the first ``shards`` shards, after ``seconds`` of work."""

    clips: int = 0
    shards: int = 0
    seconds: float = 0.0
    tally: dict[str, int] = field(default_factory=dict)  # of "ok", "partial", "failed" and "frames"


class StoreWriter:
    """Takes finished parts, in any order, and appends them to the store in the manifest's.

    Files of a commit are written first; then ``state.json`` is replaced, which is the commit; then parts are deleted.
    A kill before the replacement leaves the parts, and files that the next commit overwrites; a kill after it leaves
    parts that nobody asks for.
    """

    def __init__(self, store: Path, *, total: int) -> None:
        self.parts = store / ".extract"
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
        videos = RowWriter(self.parts / f"videos-{number:05d}.arrow", VIDEOS)
        for result in results:
            if result["row"]:
                videos.add(result["row"], size=1024)
        videos.close()
        lines = [json.dumps(result["failure"], ensure_ascii=False) for result in results if result["failure"]]
        (self.parts / f"failures-{number:05d}.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        tally = sum(map(_tally, results), Counter(self.state.tally))
        self.state = State(clips=last, shards=number + 1, seconds=self._seconds, tally=dict(tally))
        write_atomically(self.parts / "state.json", json.dumps(asdict(self.state)))
        self._ready_bytes = 0
        for index in range(first, last):
            for path in self._files(index):
                path.unlink()

    def finish(self) -> None:
        """Write what describes the whole store; ``videos.arrow``, which makes it one, comes last."""
        numbers = range(self.state.shards)
        failures = [(self.parts / f"failures-{number:05d}.jsonl").read_text("utf-8") for number in numbers]
        write_atomically(self._store / "failures.jsonl", "".join(failures))
        aside = self._store / "videos.tmp"
        _merge(aside, VIDEOS, [self.parts / f"videos-{number:05d}.arrow" for number in numbers])
        write_indexes(self._store, pa.ipc.open_stream(pa.memory_map(str(aside))).read_all())
        summary: dict[str, float] = {name: self.tally[name] for name in ("ok", "partial", "failed", "frames")}
        summary |= {"seconds": self._seconds, "frames_per_second": self.tally["frames"] / self._seconds}
        write_atomically(self._store / "summary.json", json.dumps(summary, indent=2))
        aside.rename(self._store / "videos.arrow")

    def take_over(self) -> list[int]:
        """Add the parts that an earlier run has left complete; the clips that remain to be extracted."""
        remaining = []
        for index in range(self.state.clips, self._total):
            if self._part(index, "json").exists():
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
        return State(**json.loads(path.read_text())) if path.exists() else State()

    def _result(self, index: int) -> dict[str, Any]:
        result: dict[str, Any] = json.loads(self._part(index, "json").read_text("utf-8"))
        return result

    def _part(self, index: int, kind: str) -> Path:
        return self.parts / f"{index:08d}.{kind}"

    def _files(self, index: int) -> list[Path]:
        return [path for kind in ("json", "frames", "audio") if (path := self._part(index, kind)).exists()]


def _tally(result: dict[str, Any]) -> Counter[str]:
    row, failure = result["row"], result["failure"]
    return Counter({failure["status"] if failure else "ok": 1, "frames": row["frames"] if row else 0})


def write_atomically(path: Path, text: str) -> None:
    """Replace ``path`` in one step, durably."""
    aside = path.with_name(f"{path.name}.tmp")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)


def _merge(target: Path, schema: pa.Schema, sources: list[Path]) -> None:
    """Write the rows of ``sources`` as one Arrow stream, in batches of some size: few batches open fast."""
    with pa.ipc.new_stream(str(target), schema) as writer:
        held, rows, size = list[pa.RecordBatch](), 0, 0
        for batch in (batch for source in sources for batch in pa.ipc.open_stream(pa.memory_map(str(source)))):
            held.append(batch)
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows >= _BATCH_ROWS or size >= _BATCH_BYTES:
                writer.write_table(pa.Table.from_batches(held, schema).combine_chunks())
                held, rows, size = [], 0, 0
        if held:
            writer.write_table(pa.Table.from_batches(held, schema).combine_chunks())
