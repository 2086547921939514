"""The result of a verb: text for people, and the same values as JSON for scripts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from framegate.media.visible import visible, visible_lines
from framegate.recipes.reports.outputs import claim_output, json_bytes, write_output
from framegate.recipes.training.run_folder import RunFolder


@dataclass(frozen=True)
class Result:
    """The result of a verb: plain values, and the text that presents them."""

    values: dict[str, Any]
    text: str


def claim_json(file: Path | None) -> Path | None:
    """Refuse ``--json FILE`` before the work if framegate may not write it; see `claim_output`."""
    claim_output(file)
    return file


def give(result: Result, json_file: Path | None) -> None:
    """Print the text, and write the values where the user asked for them."""
    if result.text:
        typer.echo(visible_lines(result.text))
    if json_file is not None:
        write_output(json_file, json_bytes(result.values))


def run_result(run: Path, product: str) -> Result:
    """Return the result of a finished training run: paths of what it wrote, and its last row of metrics."""
    last = RunFolder(run).rows()[-1]
    text = f"{run}: {last['step']} steps, loss {last['loss']:.3f}\n  {run / product}\n  {run / 'report.html'}"
    return Result({"run": str(run), product: str(run / product), **last}, text)


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a table as text, its first column aligned left and the others right."""
    header, rows = [visible(cell) for cell in header], [[visible(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in [header, *rows])
    ]
    return "\n".join([lines[0], "─" * len(lines[0]), *lines[1:]])
