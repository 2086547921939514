"""Check the ``config.json`` of a backbone folder, in timm's hub layout, before timm builds a model from it."""

import re
from pathlib import Path
from typing import Any

import timm

from framegate.media.json_files import read_json

MAX_IMAGE_SIZE = 2048
"""Largest image size, in pixels a side, that a backbone is built for; timm's largest model takes 1024."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What timm's models are told: their sizes and parts, by number or by name.
_MODEL_ARGS = _words(
    """act_layer attn_drop_rate attn_layer avg_down base_width bn_eps bn_momentum cardinality class_token depth
    depths dims drop_path_rate drop_rate dynamic_img_pad dynamic_img_size embed_dim embed_norm_layer fc_norm
    final_norm fix_stem global_pool head_init_scale img_size in_chans init_values layers mlp_layer mlp_ratio
    no_embed_class norm_eps norm_layer num_classes num_features num_heads output_stride pad_type patch_drop_rate
    patch_size pos_drop_rate pos_embed pre_norm proj_drop_rate qk_norm qkv_bias ref_feat_shape reg_tokens
    rope_temperature scale_norm stem_type stem_width strict_img_size swiglu_mlp use_abs_pos_emb use_rot_pos_emb
    width window_ratio window_size"""
)
_SIZE, _REPEATED = re.compile(r"\w*size|ref_feat_shape"), re.compile(r"depths?|layers")
_MAX_NUMBER, _MAX_REPEATED, _MAX_CLASSES = 8192, 256, 1 << 20
_MAX_NAME = 100
_MAX_LIST = 64

# Keys by which timm would take weights, a config or a cache from elsewhere.
_ELSEWHERE = _words(
    """cache_dir checkpoint_path file hf_hub_filename hf_hub_id pretrained pretrained_cfg_overlay source state_dict
    url"""
)


def check_config(folder: Path) -> None:
    """Check the ``config.json`` of a backbone folder before timm reads it.

    Raises:
        ValueError: it is damaged; it names no timm model, or weights and configs that stand elsewhere; or a number is
            out of bounds.
        OSError: it is missing or unreadable.
    """
    content = _object(read_json(folder / "config.json"), "it")
    for part in (content, content.get("pretrained_cfg"), content.get("model_args")):
        if part is not None:
            _refuse_elsewhere(_object(part, "pretrained_cfg or model_args"))
    architecture = content.get("architecture")
    if not isinstance(architecture, str) or not timm.is_model(architecture):
        raise ValueError(f"architecture {str(architecture)[:60]!r} is no timm model")
    arguments = content.get("model_args") or {}
    if unknown := sorted(set(arguments) - _MODEL_ARGS):
        raise ValueError(f"model_args {unknown[0][:60]!r} is no argument that framegate passes on")
    for name, value in arguments.items():
        _check_values(name, value)
    pixels = content.get("pretrained_cfg") or content
    for name in ("input_size", "test_input_size", "min_input_size", "mean", "std", "num_classes"):
        value = pixels.get(name)
        _check_values(name, value)
        if isinstance(value, list) != (name != "num_classes") and value is not None:
            raise ValueError(f"{name} is {str(value)[:40]}")


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is a {type(value).__name__}, not an object")
    return value


def _refuse_elsewhere(part: dict[str, Any]) -> None:
    for key, value in part.items():
        if key in _ELSEWHERE and value:
            raise ValueError(f"{key} names weights or files elsewhere, and a backbone folder has its own")


def _check_values(name: str, value: object) -> None:
    """Numbers, short names, true and false, and short lists of them."""
    limit = MAX_IMAGE_SIZE if _SIZE.fullmatch(name) else _MAX_REPEATED if _REPEATED.fullmatch(name) else _MAX_NUMBER
    limit = _MAX_CLASSES if name == "num_classes" else limit
    values = value if isinstance(value, list) else [value]
    if len(values) > _MAX_LIST:
        raise ValueError(f"{name} is a list of {len(values)}")
    for one in values:
        fits = one is None or (isinstance(one, str) and len(one) <= _MAX_NAME)
        if not fits and not (isinstance(one, int | float) and abs(one) <= limit):
            raise ValueError(f"{name} is {str(one)[:40]}, not a number of at most {limit:,} or a short name")
