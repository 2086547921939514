"""Names in the place of folders: what a saved classifier says of where its encoders came from."""

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from framegate.finetune.encoders.hub import HubEncoder
from framegate.finetune.folders.classifier_folder import HUB, describe_backbone
from framegate.finetune.streams.streams import FramesConfig, StreamsConfig
from framegate.media.manifest.paths import final_name
from framegate.ssl.backbones.backbone import Backbone, is_timm_model


def without_paths(config: StreamsConfig, streams: Mapping[str, nn.Module] | nn.ModuleDict) -> StreamsConfig:
    """Return ``config`` with no folder of this machine in it; names of timm and of the hub stay.

    A backbone folder becomes its architecture's name, another encoder's its last name.
    """
    encoders = {name: stream.encoder for name, stream in streams.items()}
    frames, audio, text = config.frames, config.audio, config.text
    if frames is not None:
        frames = replace(frames, backbone=_frames_name(frames, encoders.get("frames")))
    if audio is not None and not is_timm_model(audio.backbone):
        audio = replace(audio, backbone=_encoder_name(audio.backbone, encoders.get("audio")))
    if text is not None and text.backbone is not None:
        text = replace(text, backbone=_encoder_name(text.backbone, encoders.get("text")))
    return replace(config, frames=frames, audio=audio, text=text)


def _frames_name(frames: FramesConfig, backbone: object) -> str:
    named = frames.backbone.startswith(HUB) or is_timm_model(frames.backbone)
    return describe_backbone(backbone).architecture if isinstance(backbone, Backbone) and not named else frames.backbone


def _encoder_name(reference: str, encoder: object) -> str:
    """Of an encoder that was opened from a classifier folder nothing but the name there is known."""
    if isinstance(encoder, HubEncoder) and encoder.origin is not None:
        return encoder.origin
    return final_name(reference)
