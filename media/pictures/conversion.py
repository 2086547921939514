"""What turns the frames of one kind into pictures: chosen once, used for each of them."""

from dataclasses import dataclass
from functools import lru_cache

import av
from av.video.reformatter import Colorspace

from framegate.media.pictures.colour_coding import ColourTags, yuv_matrix
from framegate.media.pictures.display_map import DisplayMap, display_map


@dataclass(frozen=True, slots=True)
class Conversion:
    """How frames of one pixel format, size and colour coding become RGB.

    Attributes:
        matrix: of Y'CbCr; None where it is something else.
        to_screen: maps HDR and wide gamuts; None where numbers are shown as they are.
        is_grey: light without colours, of which FFmpeg does not tell full from limited range.
        is_deep: more than 8 bits.
        has_alpha: pixels may be transparent.
    """

    matrix: Colorspace | None
    to_screen: DisplayMap | None
    is_grey: bool
    is_deep: bool
    has_alpha: bool


@lru_cache(maxsize=256)
def conversion(pixels: str, width: int, height: int, tags: ColourTags, container_tags: ColourTags) -> Conversion:
    """Return the `Conversion` of frames in FFmpeg's pixel format ``pixels``.

    Args:
        width, height: of the frame, by which a missing matrix is guessed.
        tags: of the frame.
        container_tags: taken where the frame does not say.

    Raises:
        MediaError: the colours are in a coding that is not supported.
    """
    form, tags = av.VideoFormat(pixels), tags.or_else(container_tags)
    colours = [part for part in form.components if not part.is_alpha]
    is_coded = not (form.is_rgb or form.has_palette or pixels.startswith(("mono", "xyz")))
    return Conversion(
        matrix=yuv_matrix(tags, width, height) if is_coded and len(colours) == 3 else None,
        to_screen=display_map(tags),
        is_grey=is_coded and len(colours) == 1,
        is_deep=max(part.bits for part in colours) > 8,
        has_alpha=len(colours) < len(form.components) or form.has_palette,
    )
