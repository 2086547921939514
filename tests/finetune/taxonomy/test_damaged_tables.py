"""Manifests and taxonomies with their bytes flipped, cut and spliced: each is read, or refused by plain lines, soon.

``FRAMEGATE_FUZZ=2000`` tries as many of each.
"""

import io
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import psutil
import pyarrow as pa
import pytest
from pyarrow import parquet

from framegate.finetune.taxonomy.taxonomy import Taxonomy
from framegate.media.errors import ProblemsError
from framegate.media.manifest.manifest import read_manifest

COUNT = int(os.environ.get("FRAMEGATE_FUZZ", "50"))
HEADERS = ["id,video,title\n", "id;parent;name\n", "sep=;\n", "\ufeffid\tvideo\n", *'[{"\0', "a,b\r", "PK\x03\x04"]
CLIPS = [
    {"id": f"c{row}", "video": f"ü/{row}.mp4", "title": f"Tïtle, {row}\n今日", "label": "a|b", "start": row / 2}
    for row in range(12)
]
NODES = [{"id": f"n{row}", "parent": f"n{row // 3}" if row > 2 else "", "name": f"Näme {row}"} for row in range(1, 12)]


def as_csv(rows: list[dict[str, object]], separator: str = ",") -> str:
    lines = [separator.join(rows[0])] + [separator.join(f'"{cell}"' for cell in row.values()) for row in rows]
    return "\r\n".join(lines)


def as_workbook(rows: list[dict[str, object]]) -> bytes:
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row in (list(rows[0]), *(list(row.values()) for row in rows)):
        book.active.append(row)
    book.save(content)
    return content.getvalue()


def as_parquet(rows: list[dict[str, object]]) -> bytes:
    content = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), content)
    return content.getvalue()


def seeds(rows: list[dict[str, object]]) -> dict[str, bytes]:
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return {
        "comma.csv": as_csv(rows).encode(),
        "semicolon.csv": b"sep=;\n" + as_csv(rows, ";").encode("utf-8"),
        "tab.tsv": as_csv(rows, "\t").encode("utf-16"),
        "lines.jsonl": lines.encode(),
        "array.json": json.dumps(rows).encode(),
        "book.xlsx": as_workbook(rows),
        "rows.parquet": as_parquet(rows),
    }


def damaged(content: bytes, chance: random.Random) -> bytes:
    content = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 5, 40])):
        at = chance.randrange(len(content) + 1)
        kind = chance.randrange(6)
        if kind == 0 and at < len(content):
            content[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and at < len(content):
            content[at] = chance.choice(b'\0\xff",;\t\r\n|/{}[]')
        elif kind == 2:
            del content[at : at + chance.randrange(1, 60)]
        elif kind == 3:
            content[at:at] = chance.choice(HEADERS).encode() * chance.choice([1, 1, 300])
        elif kind == 4:
            content[:0] = chance.choice(HEADERS).encode()
        else:
            content[at:at] = content[: chance.randrange(200)]
    return bytes(content[: chance.randrange(len(content) + 1)] if chance.random() < 0.1 else content)


def mutants(rows: list[dict[str, object]], seed: str) -> Iterator[tuple[str, bytes]]:
    whole = list(seeds(rows).items())
    for number in range(COUNT):
        name, content = whole[number % len(whole)]
        yield name, damaged(content, random.Random(f"{seed}-{number}"))


def refusal(read: object, path: Path) -> tuple[str, ...]:
    try:
        read(path)  # type: ignore[operator]
    except ProblemsError as error:
        return error.problems
    return ()


@pytest.mark.parametrize(("rows", "read"), [(CLIPS, read_manifest), (NODES, Taxonomy.read)])
def test_a_damaged_table_is_read_or_refused_by_plain_lines(
    tmp_path: Path, rows: list[dict[str, object]], read: object
) -> None:
    for name, content in seeds(rows).items():
        (tmp_path / name).write_bytes(content)
        assert refusal(read, tmp_path / name) == (), "the seeds are whole"
    process = psutil.Process()
    before = process.memory_info().rss
    kinds: dict[str, int] = {}
    for name, content in mutants(rows, str(read)[:12]):
        (tmp_path / name).write_bytes(content)
        began = time.process_time()
        for problem in refusal(read, tmp_path / name):
            assert name in problem
            assert len(problem) < 300
            assert len(problem.splitlines()) == 1
            kinds[problem.partition(": ")[2][:30]] = kinds.get(problem.partition(": ")[2][:30], 0) + 1
        assert time.process_time() - began < 5
    assert kinds
    assert process.memory_info().rss - before < 50 * 1024**2
    if "FRAMEGATE_FUZZ" in os.environ:
        print(*sorted(kinds.items(), key=lambda item: -item[1]), sep="\n")
