"""Names that other libraries give to the tensors of timm's models."""

import re
from collections.abc import Callable

from torch import nn

KeyLayout = Callable[[str], str]
"""Maps timm's name of a tensor to another library's name."""


def key_layouts(model: nn.Module) -> list[KeyLayout]:
    """Return the layouts that a state dict of timm's ``model`` may have, timm's layout first.

    They are: timm's, which is also torchvision's for ResNets; a ``Sequential`` of the model's children, as lightly's
    examples build them (``backbone.4.0.conv1.weight`` for ``layer1.0.conv1.weight``); EfficientNet-PyTorch's, for
    models whose blocks stand in stages; and torchvision's EfficientNet (the first version), ConvNeXt and ViT.
    """
    layouts: list[KeyLayout] = [lambda key: key, _numbered(model)]
    if stages := [stage for stage in getattr(model, "blocks", ()) if isinstance(stage, nn.Sequential)]:
        layouts.append(_in_a_row(stages))
    return layouts + [_renamed(rules) for rules in _TORCHVISION]


def _numbered(model: nn.Module) -> KeyLayout:
    numbers = {name: str(number) for number, (name, _) in enumerate(model.named_children())}

    def layout(key: str) -> str:
        child, dot, rest = key.partition(".")
        return f"{numbers.get(child, child)}{dot}{rest}"

    return layout


def _in_a_row(stages: list[nn.Sequential]) -> KeyLayout:
    """Return the layout of EfficientNet-PyTorch, which numbers the blocks of all stages in a row."""
    places = [(stage, block) for stage, blocks in enumerate(stages) for block in range(len(blocks))]
    rules = list(_EFFICIENTNET_PYTORCH)
    for number, (stage, block) in enumerate(places):
        parts = _EXPANDED if hasattr(stages[stage][block], "conv_pwl") else _SEPARABLE
        rules += [(rf"blocks\.{stage}\.{block}\.{part}\.", f"_blocks.{number}.{theirs}.") for part, theirs in parts]
    return _renamed(rules)


def _renamed(rules: list[tuple[str, str]]) -> KeyLayout:
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]

    def layout(key: str) -> str:
        for pattern, replacement in compiled:
            if pattern.match(key):
                return pattern.sub(replacement, key)
        return key

    return layout


_EFFICIENTNET_PYTORCH = [
    (r"conv_stem\.", "_conv_stem."),
    (r"bn1\.", "_bn0."),
    (r"conv_head\.", "_conv_head."),
    (r"bn2\.", "_bn1."),
    (r"classifier\.", "_fc."),
]
_ATTENTION = ((r"se\.conv_reduce", "_se_reduce"), (r"se\.conv_expand", "_se_expand"))
_SEPARABLE = (
    *(("conv_dw", "_depthwise_conv"), ("bn1", "_bn1"), ("conv_pw", "_project_conv"), ("bn2", "_bn2")),
    *_ATTENTION,
)
_EXPANDED = (
    *(("conv_pw", "_expand_conv"), ("bn1", "_bn0"), ("conv_dw", "_depthwise_conv"), ("bn2", "_bn1")),
    *(("conv_pwl", "_project_conv"), ("bn3", "_bn2")),
    *_ATTENTION,
)

# In a block of torchvision's EfficientNet the parts are numbered; the first stage's blocks lack the expansion.
_EFFICIENTNET = [
    (r"conv_stem\.", "features.0.0."),
    (r"bn1\.", "features.0.1."),
    (r"conv_head\.", "features.8.0."),
    (r"bn2\.", "features.8.1."),
    (r"classifier\.", "classifier.1."),
    *(
        (rf"blocks\.0\.(\d+)\.{part}\.", rf"features.1.\1.block.{place}.")
        for part, place in (
            ("conv_dw", "0.0"),
            ("bn1", "0.1"),
            (r"se\.conv_reduce", "1.fc1"),
            (r"se\.conv_expand", "1.fc2"),
            ("conv_pw", "2.0"),
            ("bn2", "2.1"),
        )
    ),
    *(
        (rf"blocks\.{stage}\.(\d+)\.{part}\.", rf"features.{stage + 1}.\1.block.{place}.")
        for stage in range(1, 7)
        for part, place in (
            ("conv_pw", "0.0"),
            ("bn1", "0.1"),
            ("conv_dw", "1.0"),
            ("bn2", "1.1"),
            (r"se\.conv_reduce", "2.fc1"),
            (r"se\.conv_expand", "2.fc2"),
            ("conv_pwl", "3.0"),
            ("bn3", "3.1"),
        )
    ),
]

_CONVNEXT = [
    (r"stem\.", "features.0."),
    (r"head\.norm\.", "classifier.0."),
    (r"head\.fc\.", "classifier.2."),
    *((rf"stages\.{stage}\.downsample\.", f"features.{2 * stage}.") for stage in range(1, 4)),
    *(
        (rf"stages\.{stage}\.blocks\.(\d+)\.{part}", rf"features.{2 * stage + 1}.\1.{place}")
        for stage in range(4)
        for part, place in (
            ("gamma$", "layer_scale"),
            (r"conv_dw\.", "block.0."),
            (r"norm\.", "block.2."),
            (r"mlp\.fc1\.", "block.3."),
            (r"mlp\.fc2\.", "block.5."),
        )
    ),
]

_VIT = [
    ("cls_token$", "class_token"),
    ("pos_embed$", "encoder.pos_embedding"),
    (r"patch_embed\.proj\.", "conv_proj."),
    (r"norm\.", "encoder.ln."),
    (r"head\.", "heads.head."),
    *(
        (rf"blocks\.(\d+)\.{part}", rf"encoder.layers.encoder_layer_\1.{place}")
        for part, place in (
            (r"norm1\.", "ln_1."),
            (r"attn\.qkv\.", "self_attention.in_proj_"),
            (r"attn\.proj\.", "self_attention.out_proj."),
            (r"norm2\.", "ln_2."),
            (r"mlp\.fc1\.", "mlp.0."),
            (r"mlp\.fc2\.", "mlp.3."),
        )
    ),
]

_TORCHVISION = [_EFFICIENTNET, _CONVNEXT, _VIT]
