import cv2
import numpy as np

from framegate.augment import Anchor, ViewPolicy
from framegate.augment.sheet import draw_sheet
from framegate.media.clip_layout import Layout


def anchors() -> list[Anchor]:
    frames = [np.random.default_rng(seed).integers(0, 256, (54, 96, 3), dtype=np.uint8) for seed in range(3)]
    layout = Layout(borders=(0.0, 0.1, 1.0, 0.9), logos=((0.8, 0.1, 0.9, 0.2, 1.0),))
    return [Anchor(cv2.imencode(".jpg", frame)[1].tobytes(), layout) for frame in frames]


def test_a_sheet_has_a_column_a_frame_and_is_a_function_of_its_seed():
    one, same, other = (draw_sheet(anchors(), ViewPolicy(), image_size=48, seed=seed) for seed in (1, 1, 2))
    assert one.dtype == np.uint8 and one.shape[1] > 3 * 48 and one.shape[0] > 20 * 48
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_attention_adds_three_rows():
    def attention(views: np.ndarray) -> np.ndarray:
        assert views.shape == (3, 48, 48, 3)
        return np.eye(8, dtype=np.float32)[None].repeat(3, axis=0)

    plain = draw_sheet(anchors(), ViewPolicy(), image_size=48, seed=1)
    with_maps = draw_sheet(anchors(), ViewPolicy(), image_size=48, seed=1, attention=attention)
    assert with_maps.shape[0] - plain.shape[0] == 3 * (48 + 4)
    assert np.array_equal(with_maps[: plain.shape[0]], plain)
