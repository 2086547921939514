"""The pairs of views that a pretraining recipe learns from."""

from framegate.augment import TwoViews
from framegate.media import FrameStore
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.ssl.data.view_pairs import ViewPairs


def training_pairs(config: PretrainConfig, store: FrameStore) -> ViewPairs:
    """Return the frames of a store as pairs of views, paired as the recipe's method needs them."""
    method = config.method
    views = TwoViews(
        config.views,
        image_size=config.backbone.image_size,
        seed=config.seed,
        pairing=method.pairing,
        second_size=method.second_size,
    )
    return ViewPairs(store, views, positive_seconds=method.positive_seconds, same=method.same, seed=config.seed)
