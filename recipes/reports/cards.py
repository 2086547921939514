"""Model cards: what a folder of weights is, how it was made, and how to open it; without the paths of this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from framegate.media.manifest.paths import final_name, stays_inside
from framegate.media.visible import visible, visible_lines
from framegate.recipes.config.recipe import Section
from framegate.recipes.reports.audit_page import audit_card
from framegate.ssl.methods.distill_settings import DistillSettings

if TYPE_CHECKING:  # a pretraining does without the classifier and its libraries
    from framegate.recipes.config.finetune_config import FinetuneConfig
    from framegate.recipes.config.pretrain_config import PretrainConfig

BACKBONE_USAGE = 'import timm\nmodel = timm.create_model("local-dir:PATH", pretrained=True, num_classes=0)'
"""How a backbone folder in timm's layout is opened."""
CLASSIFIER_USAGE = """from framegate.finetune import ClipInput, GatedFusionClassifier
model = GatedFusionClassifier.from_pretrained("PATH")
model.predict([ClipInput(frames=frames, audio=audio, text=title)])"""
"""How a classifier folder is opened."""


def backbone_card(
    config: PretrainConfig, metrics: list[dict[str, Any]], *, audited: dict[str, Any] | None = None
) -> str:
    """Return the card of a pretrained backbone, in Markdown with front matter, and its audit if there is one."""
    last = metrics[-1] if metrics else {}
    audit = f"{audit_card(audited)}\n" if audited else ""
    return visible_lines(f"""---
library_name: timm
tags: [image-feature-extraction, self-supervised, video, framegate]
---
# {config.name}

A `{visible(config.backbone.name)}` frame backbone, pretrained without labels by `{config.method.name}` on
{config.backbone.image_size}-pixel video frames, with overlays (subtitles, logos, borders) made worthless in its views.
{_teacher(config)}
{_block(BACKBONE_USAGE)}

Steps: {last.get("step", 0)}; last loss: {last.get("loss", float("nan")):.3f}. Input: RGB,
{config.backbone.image_size} × {config.backbone.image_size}; mean and standard deviation are in `config.json`.

{audit}## Recipe
```yaml
{_public_recipe(config)}```
""")


def _teacher(config: PretrainConfig) -> str:
    """Return a paragraph that names the teacher, and its weights' source and licence; empty without a teacher."""
    if not isinstance(config.method, DistillSettings):
        return ""
    from framegate.ssl.backbones.weights_origin import weights_origin  # timm, which other cards do without

    teacher = config.method.teacher
    origin = weights_origin(teacher.name, teacher.weights)
    licence = f"`{visible(origin.licence)}`" if origin.licence else "unknown: check before you publish"
    return f"""
Its teacher is `{visible(final_name(teacher.name))}`, with the weights of {visible(origin.source)}.
Licence of the teacher's weights: {licence}.
"""


def _fusion(config: FinetuneConfig) -> str:
    if config.fusion.name == "mean":
        return "the mean of the streams' own logits"
    return f"`{config.fusion.name}` fusion and a head named `{config.head.name}`"


def classifier_card(config: FinetuneConfig, metrics: list[dict[str, Any]]) -> str:
    """Return the card of a gated-fusion classifier, in Markdown with the hub's front matter."""
    last = metrics[-1] if metrics else {}
    streams = [name for name in ("frames", "audio", "text") if getattr(config.streams, name) is not None]
    return visible_lines(f"""---
library_name: framegate
tags: [video-classification, multimodal, framegate]
---
# {config.name}

Classifies clips by {", ".join(streams)} into the categories of `taxonomy.csv`, with {_fusion(config)}.
A modality that a clip lacks is left out; with none, the answer is the prior.

{_block(CLASSIFIER_USAGE)}

Steps: {last.get("step", 0)}; last loss: {last.get("loss", float("nan")):.3f}.

## Recipe
```yaml
{_public_recipe(config)}```
""")


def with_usage(card: str, usage: str) -> str:
    """Return the card with its code for opening the folder replaced by ``usage``.

    A card without such code of framegate's, for example one that a person wrote, gets ``usage`` at its end.
    """
    for usage_block in (BACKBONE_USAGE, CLASSIFIER_USAGE):
        if _block(usage_block) in card:
            return card.replace(_block(usage_block), _block(usage), 1)
    return f"{card}\n{_block(usage)}\n"


def _block(code: str) -> str:
    return f"```python\n{code}\n```"


def source_card(folder: Path, *, default: str) -> str:
    """Return the card of a model folder, local paths shortened to their last names; ``default`` if it has none.

    A ``README.md`` of more than 1 MiB, or one that is a link out of the folder, is no card.
    """
    file = folder / "README.md"
    if not file.is_file() or not stays_inside(file, folder) or file.stat().st_size > _CARD_BYTES:
        return default
    return _PATH_VALUE.sub(lambda match: match[1] + final_name(match[2]), file.read_text("utf-8", errors="replace"))


_CARD_BYTES = 1 << 20
_PATH_VALUE = re.compile(r"""(?m)^([ \t]*\w+:[ \t]+['"]?)((?:/|~/|\.\.?/|local-dir:|[A-Za-z]:\\)[^\n]*)$""")
"""A line of a recipe whose value is a path."""


def _public_recipe(config: Section) -> str:
    """Return the whole config as YAML, paths shortened to their last names."""
    return yaml.safe_dump(_public(config.resolved("python")), sort_keys=False, allow_unicode=True)


def _public(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _public(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_public(inner) for inner in value]
    if isinstance(value, Path):
        return value.name
    return final_name(value) if isinstance(value, str) else value
