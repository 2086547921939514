"""How a picture file says it is to be turned: the eight orientations of EXIF."""

import numpy as np

from framegate.media.pictures.picture import upright

_MATRICES = {
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def turned_by_exif(picture: np.ndarray, orientation: object) -> np.ndarray:
    """Return ``picture`` (H, W, 3) upright, by EXIF's tag 274; values that the standard does not know change nothing.

    >>> turned_by_exif(np.zeros((2, 3, 3), np.uint8), 6).shape
    (3, 2, 3)
    """
    matrix = _MATRICES.get(orientation) if isinstance(orientation, int) else None
    return picture if matrix is None else upright(picture, matrix)
