"""The order in which a pretraining recipe sees its frames."""

from framegate.media import FrameStore, MediaError
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.pretraining.plain_statistics import training_frames
from framegate.ssl.data.frame_order import FrameOrder
from framegate.ssl.data.view_pairs import video_looks


def training_order(config: PretrainConfig, store: FrameStore) -> FrameOrder:
    """Return the batches of the whole run.

    Raises:
        MediaError: the frames do not fill one batch.
    """
    frames = training_frames(config, store)
    order = FrameOrder(
        video_of=store.video_of[frames],
        frames=frames,
        batch_size=config.optim.batch_size,
        epochs=config.optim.epochs,
        frames_per_video=config.data.frames_per_video,
        seed=config.seed,
        looks=video_looks(store) if config.data.same_look > 0 else None,
        same_look=config.data.same_look,
    )
    if order.steps_per_epoch == 0:
        raise MediaError(
            f"{config.data.store}: {len(frames)} frames in split '{config.data.split}' do not fill one batch of "
            f"{config.optim.batch_size} (optim.batch_size)"
        )
    return order
