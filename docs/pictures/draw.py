"""Draw the pictures of this folder: rows of the sheet that `framegate views` makes of the embedded corpus.

python docs/pictures/draw.py FOLDER    FOLDER: for the corpus and its store, some 10 MB
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

SIDE, MARGIN = 96, 4  # pixels of a picture in the sheet, and around it
ROWS = {"views.jpg": range(5), "hidden.jpg": range(32, 35)}
"""Which rows of the sheet a picture shows."""


def main(folder: Path) -> None:
    """Make the corpus, its store and the sheet, and cut the pictures from it."""
    for command in (
        f"corpus --clips 24 --seed 3 --out {folder / 'corpus'}",
        f"extract {folder / 'corpus' / 'manifest.csv'} --out {folder / 'store'}",
        f"views {folder / 'store'} --frames 6 --image-size {SIDE} --out {folder / 'sheet.png'}",
    ):
        subprocess.run([str(Path(sys.executable).with_name("framegate")), *command.split()], check=True)
    sheet = Image.open(folder / "sheet.png").convert("RGB")
    step = SIDE + MARGIN
    for name, rows in ROWS.items():
        part = sheet.crop((0, rows.start * step, sheet.width, rows.stop * step))
        part.save(Path(__file__).with_name(name), quality=88)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
