"""Turn a recipe's ``auto`` values into numbers, once the store says how much there is to learn from."""

from collections.abc import Mapping
from typing import Any

import torch

from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.yaml_text import KeyPath
from framegate.ssl.auto_settings import RunFacts, key_momentum, learning_rate, queue_size, weight_decay
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.frame_order import FrameOrder
from framegate.ssl.methods.registry import KeyEncoderSettings

_KEYS: tuple[KeyPath, ...] = (
    ("optim", "lr"),
    ("optim", "weight_decay"),
    ("method", "queue"),
    ("method", "momentum"),
)


def settle_auto(
    config: PretrainConfig, order: FrameOrder, *, before: Mapping[str, Any] | None = None
) -> tuple[PretrainConfig, list[str]]:
    """Replace ``auto`` by the numbers that `framegate.ssl.auto_settings` gives for this run.

    Args:
        config: the recipe.
        order: of the run's frames: how many they are, and how many steps they make.
        before: the values of the run that is resumed; what they say goes on, so that a run keeps its settings whatever
            a later framegate thinks of them.

    Returns:
        The config without ``auto``, and what each such value became, as ``optim.lr 0.012``.
    """
    values = config.model_dump(mode="python")
    asked = [key for key in _KEYS if _get(values, key) == "auto"]
    if not asked:
        return config, []
    run = _facts(config, order)
    for key in asked:
        section, name = key
        known = _get(before or {}, key)
        values[section][name] = _by_rule(key, run, values) if known in (None, "auto") else known
    settled = PretrainConfig.of({**values, "version": 2})
    return settled, [f"{'.'.join(key)} {_get(values, key):g}" for key in asked]


def _by_rule(key: KeyPath, run: RunFacts, values: dict[str, Any]) -> float:
    match key:
        case ("optim", "lr"):
            return learning_rate(run)
        case ("optim", "weight_decay"):
            return weight_decay(run, highest_lr=values["optim"]["lr"] * run.batch_size / 256)
        case ("method", "queue"):
            return queue_size(run)
        case _:
            return key_momentum(run, queue=values["method"].get("queue"))


def _facts(config: PretrainConfig, order: FrameOrder) -> RunFacts:
    with torch.device("meta"):
        network = Backbone(config.backbone.name, image_size=config.backbone.image_size)
    return RunFacts(
        steps=order.total_steps,
        frames=len(order.frames),
        batch_size=config.optim.batch_size,
        symmetric=isinstance(config.method, KeyEncoderSettings) and config.method.symmetric,
        optimizer=config.optim.name,
        starts_from_weights=config.backbone.weights is not None,
        has_tokens=network.patch_embedding is not None,
    )


def _get(values: Mapping[str, Any], key: KeyPath) -> Any:
    section = values.get(key[0])
    return section.get(key[1]) if isinstance(section, Mapping) else None
