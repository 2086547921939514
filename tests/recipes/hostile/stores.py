"""What a stranger may do to a frame store: each function harms a copy of a valid one."""

import json
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

HOSTILE_TEXT = "\x1b]0;owned\x07\u202e<script>alert(1)</script>\r\n=cmd|' /C calc'!A0"


def _change(
    store: Path, table: str, change: Callable[[int, dict[str, Any]], None], *, keep_index: bool = False
) -> None:
    """Rewrite every table of one kind row by row; without its index, so that its rows are read."""
    for path in sorted(store.glob(f"{table}*.arrow")):
        whole = pa.ipc.open_stream(path.read_bytes()).read_all()
        rows = whole.to_pylist()
        for number, row in enumerate(rows):
            change(number, row)
        with pa.ipc.new_stream(str(path), whole.schema) as out:
            out.write_table(pa.Table.from_pylist(rows, schema=whole.schema))
    if not keep_index:
        for index in store.glob("*.npy"):
            index.unlink()


def _picture(height: int, width: int) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()


def _with_pictures(store: Path, make: Callable[[int, bytes], bytes]) -> None:
    _change(store, "frames", lambda number, row: row.update(jpeg=make(number, row["jpeg"])))


def jpegs_that_claim_32000_squared(store: Path) -> None:
    def claim(_: int, jpeg: bytes) -> bytes:
        at = jpeg.index(b"\xff\xc0")
        return jpeg[: at + 5] + struct.pack(">HH", 32_000, 32_000) + jpeg[at + 9 :]

    _with_pictures(store, claim)


def pictures_of_one_pixel(store: Path) -> None:
    _with_pictures(store, lambda number, _: _picture(1, 1))


def pictures_as_thin_as_a_thread(store: Path) -> None:
    _with_pictures(store, lambda number, _: _picture(2, 5000) if number % 2 else _picture(5000, 2))


def pictures_without_colour(store: Path) -> None:
    grey = cv2.imencode(".jpg", np.zeros((64, 64), np.uint8))[1].tobytes()
    _with_pictures(store, lambda number, _: grey)


def pictures_that_break_off(store: Path) -> None:
    _with_pictures(store, lambda number, jpeg: jpeg[: len(jpeg) // 2] + b"\xff\xd9")


def pictures_of_noise(store: Path) -> None:
    random_ = random.Random(0)
    _with_pictures(store, lambda number, jpeg: jpeg[:2] + random_.randbytes(200) + jpeg[-2:])


def layouts_that_leave_a_hair(store: Path) -> None:
    _change(
        store,
        "videos",
        lambda number, row: row.update(
            borders=[0.5, 0.5, 0.5001, 0.5001], logos=[[0.0, 0.0, 1.0, 1.0, 1.0]], subtitles=[[0.3, 0.3, 0.3, 0.3, 9.0]]
        ),
    )


def layouts_beyond_the_frame(store: Path) -> None:
    _change(store, "videos", lambda number, row: row.update(logos=[[-5.0, float("nan"), 1e30, 2.0, 1.0]]))


def endless_boxes(store: Path) -> None:
    _change(store, "videos", lambda number, row: row.update(subtitles=[[0.1, 0.1, 0.2, 0.2, 1.0]] * 20_000))


def labels_that_no_tree_has(store: Path) -> None:
    _change(store, "videos", lambda number, row: row.update(label=f"wrong/{number}|{HOSTILE_TEXT}"))


def texts_that_write_on_the_terminal(store: Path) -> None:
    names = ("title", "description", "programme", "source")
    _change(store, "videos", lambda number, row: row.update(dict.fromkeys(names, HOSTILE_TEXT * 20)))


def ids_that_are_paths(store: Path) -> None:
    ids: dict[str, str] = {}
    _change(store, "videos", lambda number, row: row.update(id=ids.setdefault(row["id"], f"../../{number}\x1b[2J")))
    for table in ("frames", "audio"):
        _change(store, table, lambda number, row: row.update(video_id=ids[row["video_id"]]))


def counts_that_do_not_add_up(store: Path) -> None:
    _change(store, "videos", lambda number, row: row.update(frames=-1 if number % 2 else row["frames"] + 1))


def times_that_are_no_numbers(store: Path) -> None:
    _change(store, "frames", lambda number, row: row.update(time=float("nan"), shot=-(1 << 31)))
    _change(store, "videos", lambda number, row: row.update(duration=float("inf")))


def audio_at_a_rate_that_fills_the_memory(store: Path) -> None:
    _change(store, "audio", lambda number, row: row.update(rate=999_983))


def audio_of_half_a_sample(store: Path) -> None:
    _change(store, "audio", lambda number, row: row.update(pcm=b"\x01"))


def no_clips_at_all(store: Path) -> None:
    for path in store.glob("*.arrow"):
        schema = pa.ipc.open_stream(path.read_bytes()).schema
        with pa.ipc.new_stream(str(path), schema):
            pass
    for index in store.glob("*.npy"):
        index.unlink()


def compressed_tables(store: Path) -> None:
    for path in store.glob("*.arrow"):
        table = pa.ipc.open_stream(path.read_bytes()).read_all()
        with pa.ipc.new_stream(str(path), table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as out:
            out.write_table(table)
    for index in store.glob("*.npy"):
        index.unlink()


def offsets_out_of_their_buffers(store: Path) -> None:
    """Of the table of clips, behind its schema."""
    random_, path = random.Random(0), store / "videos.arrow"
    data = bytearray(path.read_bytes())
    for _ in range(200):
        at = random_.randrange(len(data) // 4, len(data) - 4) & ~3
        data[at : at + 4] = struct.pack("<i", 1 << 30)
    path.write_bytes(data)


def an_index_that_points_anywhere(store: Path) -> None:
    random_ = np.random.default_rng(0)
    for path in store.glob("*.npy"):
        rows = np.load(path)
        for name in ("video", "shard", "offset", "length"):
            rows[name] = random_.integers(-(1 << 31), (1 << 31) - 1, len(rows))
        np.save(path, rows)


def texts_beside_that_are_nested(store: Path) -> None:
    for name in ("extract.json", "summary.json"):
        (store / name).write_text('{"options": ' + "[" * 200_000)


def limits_of_its_own(store: Path) -> None:
    options = {"timeout": 1e12, "memory_mb": 1 << 30, "max_pixels": 1 << 60, "frames": 1 << 60, "size": 1 << 30}
    (store / "extract.json").write_text(json.dumps({"options": options, "layout": True}))


def a_taxonomy_of_ten_thousand_levels(store: Path) -> None:
    rows = "".join(f"n{level},{f'n{level - 1}' if level else ''},node {level}\n" for level in range(10_000))
    (store / "taxonomy.csv").write_text("id,parent,name\n" + rows)


def links_to_elsewhere(store: Path) -> None:
    """Reading through them would show, and writing through them would change, what is not the store's."""
    for path in [*store.glob("frames-*.arrow"), store / "videos.arrow"]:
        away = store.parent / f"away-{path.name}"
        path.rename(away)
        path.symlink_to(away)
    away = store.parent / "away-features"
    away.mkdir()
    shutil.rmtree(store / "features", ignore_errors=True)
    (store / "features").symlink_to(away)


HARMS = [
    value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__ and not name.startswith("_")
]
