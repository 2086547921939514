"""The labels of a store as classes at each level of its taxonomy."""

from pathlib import Path

import numpy as np

from framegate.finetune.taxonomy.taxonomy import TAXONOMY_FILE, Taxonomy
from framegate.media import FrameStore, split_labels
from framegate.media.errors import ProblemsError
from framegate.media.visible import quoted
from framegate.ssl.probes.probe import UNKNOWN


class LabelError(ProblemsError):
    """Labels that are not in the taxonomy, or a taxonomy that is missing."""


def store_taxonomy(store: FrameStore, taxonomy: str | Path | None) -> Taxonomy:
    """Return the taxonomy that the user names, or else the store's, after checking the store's labels against it.

    Raises:
        LabelError: there is none, or clips carry labels that are not in it.
    """
    if not any(store.videos["label"].to_pylist()):
        raise LabelError(
            f"{store.path}: no clip has a label, so the road ends with the backbone of framegate pretrain; for a "
            "classifier, extract with --label-from-folders, or a manifest with labels"
        )
    path = Path(taxonomy) if taxonomy else store.path / TAXONOMY_FILE
    if not path.is_file():
        raise LabelError(f"{path} is missing: name a taxonomy, or extract with one beside the manifest")
    tree = Taxonomy.read(path, checked=not taxonomy)
    check_labels(store, tree)
    return tree


def check_labels(store: FrameStore, taxonomy: Taxonomy) -> None:
    """Refuse a store with labels that are not in ``taxonomy``.

    Raises:
        LabelError: with every such label, and a clip that carries it.
    """
    wrong: dict[str, str] = {}
    for row in range(store.videos.num_rows):
        video = store.video(row)
        for label in split_labels(video.label):
            if label not in wrong and (problem := taxonomy.check(label)):
                wrong[label] = f"{store.path}: clip {quoted(video.id)}: {problem}"
    if wrong:
        raise LabelError(wrong.values())


def level_classes(store: FrameStore, taxonomy: Taxonomy) -> dict[str, np.ndarray]:
    """Return the class of each video at each level and at the leaf: (videos,) int64, -1 where unknown.

    A clip of several labels counts by its first.
    """
    levels = {str(level): np.full(store.videos.num_rows, UNKNOWN) for level in range(1, taxonomy.depth + 1)}
    leaf = np.full(store.videos.num_rows, UNKNOWN)
    leaves = set(taxonomy.leaves)
    for row, labels in enumerate(store.videos["label"].to_pylist()):
        if not (each := split_labels(labels)):
            continue
        path = taxonomy.path(taxonomy.resolve(each[0]))
        for level, node in enumerate(path, start=1):
            levels[str(level)][row] = node
        if path[-1] in leaves:
            leaf[row] = path[-1]
    return {**levels, "leaf": leaf}
