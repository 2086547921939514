"""Manifests, taxonomies and recipes that a stranger may write."""

import json
from pathlib import Path

ESCAPES = "\x1b]0;owned\x07\u202e\u2066"


def manifests(folder: Path, *, listener: str, secret: Path) -> list[Path]:
    """Write manifests into ``folder``, each with a taxonomy of its own beside it where it has one."""
    (folder / "link.mp4").symlink_to(secret)
    leaves = "".join(f"leaf{number},top{number % 100},leaf {number}\n" for number in range(20_000))
    trees = {
        "wide": "id,parent,name\n" + "".join(f"top{number},,top {number}\n" for number in range(100)) + leaves,
        "deep": "id,parent,name\n" + "".join(f"n{i},{f'n{i - 1}' if i else ''},x{i}\n" for i in range(10_000)),
        "round": "id,parent,name\na,b,x\nb,a,y\n",
    }
    texts = {
        "nested.jsonl": '{"id": ' + "[" * 200_000 + "\n",
        "object.jsonl": json.dumps({"id": {"a": [1, {"b": 2}]}, "title": "x"}) + "\n",
        "digits.jsonl": '{"id": "a", "title": "x", "start": 1' + "0" * 5000 + "}\n",
        "surrogate.jsonl": '{"id": "a", "title": "\\ud800"}\n',
        "outside.csv": f"id,video\na,../../{secret.name}\nb,{secret}\nc,link.mp4\nd,/etc/passwd\n",
        "addresses.csv": f"id,video\na,{listener}/a.mp4\nb,file:{secret}\nc,concat:{secret}|{secret}\nd,subfile:,,:x\n",
        "escapes.csv": f"id,video,title\n{ESCAPES},{ESCAPES}.mp4,x\nok,{ESCAPES}gone.mp4,{ESCAPES}\n",
        "cells.csv": "id,title\na," + "x" * 5_000_000 + "\n",
        "columns.csv": "id," + ",".join(f"c{number}" for number in range(50_000)) + "\na,b\n",
        "nul.csv": "id,title\n\0a,\0\n",
        "wide/labels.csv": "id,title,label\n" + "".join(f"c{i},x,leaf {i}/no\n" for i in range(20_000)),
        "deep/labels.csv": "id,title,label\na,x,n1\n",
        "round/labels.csv": "id,title,label\na,x,b\n",
        "ids.csv": "id,title\n" + "same,x\n" * 20_000,
    }
    for name, tree in trees.items():
        (folder / name).mkdir()
        (folder / name / "taxonomy.csv").write_text(tree)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def recipes(folder: Path) -> list[Path]:
    """Write recipes into ``folder``."""
    layers = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)]
    texts = {
        "aliases.yaml": "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "\n".join(layers) + "\n",
        "round.yaml": "name: &a [*a]\n",
        "deep.yaml": "name: " + "[" * 5_000 + "]" * 5_000 + "\n",
        "code.yaml": "name: !!python/object/apply:os.system ['touch it-ran']\n",
        "merged.yaml": "base: &b {name: x}\noptim: {<<: [*b, *b], lr: 1}\n",
        "escapes.yaml": f'"{ESCAPES.encode("unicode_escape").decode()}": 1\n',
        "digits.yaml": "seed: 1" + "0" * 5_000 + "\n",
        "long.yaml": "name: " + "x" * 5_000_000 + "\n",
        "binary.yaml": "name: !!binary AAAA\nseed: !!set {1, 2}\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]
