"""The pretraining methods, one file each, and the registry by which recipes name them."""

from framegate.ssl.methods.lejepa_settings import LeJEPASettings
from framegate.ssl.methods.registry import KeyEncoderSettings, MethodSettings, register, registered
from framegate.ssl.methods.settings import MoCoV2Settings, MoCoV3Settings, ProgrammeSettings, SimCLRSettings

from framegate.ssl.methods.distill_settings import DistillSettings  # isort: skip  # registered after the older ones

__all__ = [
    "DistillSettings",
    "KeyEncoderSettings",
    "LeJEPASettings",
    "MethodSettings",
    "MoCoV2Settings",
    "MoCoV3Settings",
    "ProgrammeSettings",
    "SimCLRSettings",
    "register",
    "registered",
]
