"""Pictures of any of Pillow's modes as 8-bit RGB: any depth, palettes, transparency, ink and other colour spaces."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from framegate.media.pictures.transparency import over_background

_DEPTHS = (255, 65_535, 2**32 - 1)
_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}  # of colour profiles, and their modes in Pillow


def rgb_image(image: Image.Image) -> Image.Image:
    """Return a decoded picture in mode RGB, with what is transparent in it laid over the background.

    CMYK and Lab are converted by the picture's colour profile, or in the usual way if it has none; profiles of RGB and
    grey pictures are left to `in_srgb`. Grey of 32 bits or in floating point does not say what is white: it is the
    smallest of 1 (floating point alone), 255, 65,535 and 2³² − 1 that no value exceeds; with negative or larger values,
    the picture goes from its darkest value to its lightest.
    """
    if image.mode in ("CMYK", "LAB"):
        transform = _to_srgb(image.info.get("icc_profile", b""), image.mode) or _to_srgb(b"", image.mode)
        return image.convert("RGB") if transform is None else _transformed(image, transform)
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    picture = np.asarray(image.convert("RGBA"))
    return Image.fromarray(over_background(picture[..., :3], picture[..., 3]))


def in_srgb(picture: np.ndarray, image: Image.Image) -> np.ndarray:
    """Return ``picture`` (H, W, 3), made from ``image``, in sRGB: converted by the profile of ``image``, if it has one.

    Profiles that are broken or of another kind than the picture are ignored, as browsers do.
    """
    profile = image.info.get("icc_profile", b"")
    if not profile or image.mode in ("CMYK", "LAB"):
        return picture
    if (transform := _to_srgb(profile, "RGB")) is not None:
        return np.asarray(_transformed(Image.fromarray(picture), transform))
    is_grey = image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
    if is_grey and (transform := _to_srgb(profile, "L")) is not None:
        return np.asarray(_transformed(Image.fromarray(picture[..., 0]), transform))
    return picture


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        low, high = 0.0, 65_535.0
    else:
        values = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
        low, high = _range(values, depths=(1, *_DEPTHS) if image.mode == "F" else _DEPTHS)
    grey = Image.fromarray(((values - low) * (255 / ((high - low) or 1.0)) + 0.5).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey


def _range(values: np.ndarray, *, depths: tuple[int, ...]) -> tuple[float, float]:
    least, most = float(values.min()), float(values.max())
    white = next((depth for depth in depths if most <= depth), None)
    return (least, most) if least < 0 or white is None else (0.0, float(white))


@lru_cache(maxsize=32)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what converts ``mode`` to sRGB; None where nothing is to be done, or can be."""
    try:
        if profile:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            if _SPACES.get(source.profile.xcolor_space) != mode or ImageCms.getProfileDescription(source)[:4] == "sRGB":
                return None
        elif mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _transformed(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # it is, in place alone
    return converted
