"""The category tree: one object that drives the labels of a manifest, the loss, the decoding and the metrics."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from framegate.media.errors import FramegateError, ProblemsError
from framegate.media.nearest import Nearest
from framegate.media.visible import quoted, visible

COLUMNS = ("id", "parent", "name", "definition")

TAXONOMY_FILE = "taxonomy.csv"
"""What a taxonomy is called in a store or a classifier folder, and beside a manifest."""

_MAX_BYTES, _MAX_NODES, _MAX_COLUMNS = 64 * 1024**2, 1_000_000, 100
_MAX_LEVELS, _MAX_IN_NAME, _MAX_IN_PATH = 100, 1000, 4096
_MAX_IN_PATHS = 100_000_000
"""Characters of all label paths together, which stand in memory while labels are looked up."""


class TaxonomyError(ProblemsError):
    """A taxonomy that is no tree; ``problems`` holds one line for each thing that is wrong, with its place."""


class UnknownLabelError(FramegateError, ValueError):
    """A label that names no node."""


@dataclass(frozen=True, slots=True)
class Node:
    """One row of the taxonomy's CSV: ``id`` is stable, ``name`` may change; a root has an empty ``parent``."""

    id: str
    parent: str = ""
    name: str = ""
    definition: str = ""


@dataclass(frozen=True)
class Taxonomy:
    """A forest of categories, of any depth. A node's index is its place in ``nodes``, which is the file's order.

    Raises:
        TaxonomyError: ids repeat, a parent is unknown, the parents go round in a circle, siblings share a name, or
            it is larger than people make: over 1,000,000 nodes, 100 levels, 1,000 characters in a name or an id, 4,096
            in a label path, or 100,000,000 in all label paths.
    """

    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        if problems := _problems(self.nodes, [f"node {i}" for i in range(len(self.nodes))]):
            raise TaxonomyError(problems)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a CSV with the columns ``id,parent,name,definition`` (the last two optional); problems name the line."""
        nodes, places = _read_nodes(Path(path))
        try:
            return cls(tuple(nodes))
        except TaxonomyError:
            raise TaxonomyError(_problems(nodes, places)) from None

    def write(self, path: str | Path) -> None:
        """Write the CSV that :meth:`read` reads."""
        Path(path).write_bytes(self.as_csv().encode())

    def as_csv(self) -> str:
        """Return the CSV that :meth:`read` reads."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        writer.writerows(astuple(node) for node in self.nodes)
        return text.getvalue()

    def __len__(self) -> int:
        return len(self.nodes)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The nodes' ids, in file order."""
        return tuple(node.id for node in self.nodes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The nodes' names, in file order; a node without a name is called by its id."""
        return tuple(node.name or node.id for node in self.nodes)

    @cached_property
    def parents(self) -> np.ndarray:
        """(N,) int64: the index of each node's parent, -1 for a root."""
        index = {node.id: i for i, node in enumerate(self.nodes)}
        return np.array([index.get(node.parent, -1) for node in self.nodes], dtype=np.int64)

    @cached_property
    def levels(self) -> np.ndarray:
        """(N,) int64: 1 for a root, 2 for its children, and so on."""
        levels = np.ones(len(self), dtype=np.int64)
        above = self.parents
        while (below := above >= 0).any():
            levels += below
            above = np.where(below, self.parents[above], -1)
        return levels

    @cached_property
    def depth(self) -> int:
        """The number of levels."""
        return int(self.levels.max())

    @cached_property
    def leaves(self) -> np.ndarray:
        """(L,) int64: the nodes without children, in file order."""
        return np.setdiff1d(np.arange(len(self)), self.parents)

    def path(self, node: int) -> list[int]:
        """Return the nodes from the root to ``node``, both included.

        >>> tree = Taxonomy((Node("sport"), Node("ball", "sport"), Node("tennis", "ball")))
        >>> tree.path(2)
        [0, 1, 2]
        """
        path = [int(node)]
        while (parent := int(self.parents[path[-1]])) >= 0:
            path.append(parent)
        return path[::-1]

    def name_path(self, node: int) -> str:
        """Return the names from the root to ``node``, joined by slashes.

        >>> Taxonomy((Node("s", name="sport"), Node("b", "s", "ball games"))).name_path(1)
        'sport/ball games'
        """
        return "/".join(self.names[i] for i in self.path(node))

    @cached_property
    def _by_label(self) -> dict[str, int]:
        kinds = (self._paths_of(self.names), self._paths_of(self.ids), self.ids)  # an id wins over a path
        return {label: node for labels in kinds for node, label in enumerate(labels)}

    def _paths_of(self, names: Sequence[str]) -> list[str]:
        """For each node, the names from the root to it: ``a/b/c``."""
        paths, parents = list(names), self.parents.tolist()
        for node in np.argsort(self.levels, kind="stable").tolist():  # parents before their children
            if (parent := parents[node]) >= 0:
                paths[node] = f"{paths[parent]}/{names[node]}"
        return paths

    @cached_property
    def _nearest(self) -> Nearest:
        return Nearest(self._by_label)

    def resolve(self, label: str) -> int:
        """Return the index of the node that ``label`` names: an id, or a path ``a/b/c`` of names or of ids from a root.

        Raises:
            UnknownLabelError: no node has this id or path.

        >>> tree = Taxonomy((Node("s", name="sport"), Node("b", "s", "ball games")))
        >>> tree.resolve("b"), tree.resolve("sport/ball games"), tree.resolve("s/b")
        (1, 1, 1)
        """
        if (problem := self.check(label)) is not None:
            raise UnknownLabelError(problem)
        return self._by_label[label]

    def check(self, label: str) -> str | None:
        """Return None if ``label`` names a node, else one line that says so and suggests the nearest valid label.

        A suggestion is searched for the first 200 different wrong labels only.
        """
        if label in self._by_label:
            return None
        return f"label {quoted(label)} is not in the taxonomy {self._nearest.hint(label)}"


def _read_nodes(path: Path) -> tuple[list[Node], list[str]]:
    """The nodes of a CSV, and the place of each: ``taxonomy.csv:17``.

    Raises:
        TaxonomyError: it is no such file, or larger than any tree of people's.
    """
    shown = visible(path.name)
    rows = csv.reader(io.StringIO(_read_text(path)))
    nodes: list[Node] = []
    places: list[str] = []
    try:
        header = next(rows, [])
        if missing := [column for column in COLUMNS[:2] if column not in header]:
            raise TaxonomyError([f"{shown}:1: the header lacks {', '.join(missing)} (wanted: {','.join(COLUMNS)})"])
        if len(header) > _MAX_COLUMNS:
            raise TaxonomyError([f"{shown}:1: {len(header)} columns, more than {_MAX_COLUMNS}"])
        columns = [header.index(column) if column in header else len(header) for column in COLUMNS]
        for row in rows:
            if row:
                nodes.append(Node(*(row[column].strip() if column < len(row) else "" for column in columns)))
                places.append(f"{shown}:{rows.line_num}")
    except csv.Error as error:
        raise TaxonomyError([f"{shown}:{rows.line_num}: not CSV: {error}"]) from None
    return nodes, places


def _read_text(path: Path) -> str:
    shown = visible(path.name)
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise TaxonomyError([f"{shown}: more than {_MAX_BYTES // 1024**2} MB"])
    if (lines := content.count(b"\n")) > _MAX_NODES + 1:
        raise TaxonomyError([f"{shown}: {lines} lines, more than {_MAX_NODES}"])
    if (nul := content.find(0)) >= 0:
        line = content.count(b"\n", 0, nul) + 1
        raise TaxonomyError([f"{shown}:{line}: not UTF-8 text (a NUL at byte {nul})"])
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise TaxonomyError([f"{shown}: not UTF-8 text ({error.reason} at byte {error.start})"]) from None


def _problems(nodes: Sequence[Node], places: Sequence[str]) -> list[str]:
    """One line for each thing that keeps ``nodes`` from being a forest, in the order of the rows."""
    if not nodes:
        return ["the taxonomy is empty"]
    if len(nodes) > _MAX_NODES:
        return [f"{places[_MAX_NODES]}: more than {_MAX_NODES} nodes"]
    by_id = {node.id: node for node in nodes if node.id}
    standing, circles = _stand(by_id)
    nearest: Nearest | None = None
    first: dict[str, str] = {}
    siblings: dict[tuple[str, str], str] = {}
    problems = []
    for node, place in zip(nodes, places, strict=True):
        level, *lengths = standing.get(node.id, _ABOVE_ROOTS)
        if not node.id:
            problems.append(f"{place}: the id is empty")
        elif node.id in first:
            problems.append(f"{place}: id {quoted(node.id)} is already taken at {first[node.id]}")
        elif len(node.id) > _MAX_IN_NAME or len(node.name) > _MAX_IN_NAME:
            problems.append(f"{place}: the id or the name of {quoted(node.id)} has over {_MAX_IN_NAME} characters")
        elif node.parent and node.parent not in by_id:
            nearest = nearest or Nearest(by_id)
            what = f"parent {quoted(node.parent)} of {quoted(node.id)} is not in the taxonomy"
            problems.append(f"{place}: {what} {nearest.hint(node.parent)}")
        elif node.id in circles:
            problems.append(f"{place}: {quoted(node.id)} is its own ancestor, through {quoted(node.parent)}")
        elif level == _MAX_LEVELS + 1:
            problems.append(f"{place}: {quoted(node.id)} is on level {level}; {_MAX_LEVELS} are the most")
        elif level <= _MAX_LEVELS and max(lengths) > _MAX_IN_PATH >= max(standing.get(node.parent, _ABOVE_ROOTS)):
            problems.append(f"{place}: the label path of {quoted(node.id)} has over {_MAX_IN_PATH} characters")
        elif (key := (node.parent, node.name or node.id)) in siblings:
            what = f"{quoted(node.id)} has the name {quoted(key[1])} of its sibling at {siblings[key]}"
            problems.append(f"{place}: {what}")
        else:
            siblings[key] = place
        first.setdefault(node.id, place)
    if not problems and sum(of_ids + of_names for _, of_ids, of_names in standing.values()) > _MAX_IN_PATHS:
        problems.append(f"{places[-1]}: all label paths together have over {_MAX_IN_PATHS} characters")
    return problems


_Standing = tuple[int, int, int]
"""A node's level, 1 for a root, and the characters of its label path of ids and of names."""

_ABOVE_ROOTS: _Standing = (0, -1, -1)  # a root's path has no slash before it


def _stand(by_id: Mapping[str, Node]) -> tuple[dict[str, _Standing], set[str]]:
    """Where each node stands, and the ids that are their own ancestors; in one pass, however long the chains are."""
    standing: dict[str, _Standing] = {}
    circles: set[str] = set()
    for start in by_id:
        walk: dict[str, Node] = {}  # upwards, to what is known
        at = start
        while at not in standing and at not in walk and at in by_id:
            walk[at] = by_id[at]
            at = walk[at].parent
        if at in walk:
            steps = list(walk)
            circles.update(steps[steps.index(at) :])
        for id_, node in reversed(walk.items()):
            level, of_ids, of_names = standing.get(node.parent, _ABOVE_ROOTS)
            standing[id_] = level + 1, of_ids + 1 + len(id_), of_names + 1 + len(node.name or id_)
    return standing, circles
