"""Labels from folders: the tree of the folders that hold media, as rows of a taxonomy."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from framegate.media.manifest.ids import FreeIds, path_id
from framegate.media.visible import visible

_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True, slots=True)
class FolderLabels:
    """A taxonomy that is made of folders.

    Attributes:
        nodes: (id, parent, name) of each node, parents before their children.
        labels: the id of the node of each path; ``""`` for files that lie in no folder.
        splits: the split of each path, where the folders at the top are called like splits; else empty.
    """

    nodes: tuple[tuple[str, str, str], ...]
    labels: dict[str, str]
    splits: dict[str, str]


def label_by_folders(paths: Iterable[str]) -> FolderLabels:
    """Make a label of the folder in which each file lies.

    A node's id is the folder's path as in the ids of clips, ``sport.football``, so it stays the same as long as the
    folder keeps its path. Its name is the folder's, in Unicode's normal form C, with ``_`` for ``|`` and ``/``, which
    would join labels and paths of them, and for characters that cannot be seen.

    Where the folders at the top are ``train`` and ``test``, say, and no other, they are splits and show nothing: labels
    begin below them.

    Args:
        paths: of files, from the scanned folder, with ``/``.

    >>> found = label_by_folders(["sport/ball/a.mp4", "news/b.jpg", "c.mp4"])
    >>> found.nodes
    (('news', '', 'news'), ('sport', '', 'sport'), ('sport.ball', 'sport', 'ball'))
    >>> found.labels["sport/ball/a.mp4"], found.labels["c.mp4"]
    ('sport.ball', '')
    """
    folders = {path: tuple(map(_name, path.split("/")[:-1])) for path in paths}
    tops = {names[0] for names in folders.values() if names}
    splits: dict[str, str] = {}
    if len({_SPLITS.get(top.lower(), "") for top in tops} - {""}) > 1 and all(top.lower() in _SPLITS for top in tops):
        splits = {path: _SPLITS[names[0].lower()] for path, names in folders.items() if names}
        folders = {path: names[1:] for path, names in folders.items()}
    every = sorted({names[:depth] for names in folders.values() for depth in range(1, len(names) + 1)})
    id_of: dict[tuple[str, ...], str] = {(): ""}
    used: set[str] = set()
    free = FreeIds(used)
    for names in every:
        id_of[names] = free.like(path_id("/".join(names)))
        used.add(id_of[names])
    nodes = tuple((id_of[names], id_of[names[:-1]], names[-1]) for names in every)
    return FolderLabels(nodes, {path: id_of[names] for path, names in folders.items()}, splits)


def _name(folder: str) -> str:
    shown = "".join("_" if c in "|/" or visible(c) != c else c for c in unicodedata.normalize("NFC", folder))
    return shown.strip() or "_"
