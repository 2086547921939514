"""The pretraining methods, one file each, and the registry by which recipes name them."""

from framegate.ssl.methods.registry import KeyEncoderSettings, MethodSettings, register, registered
from framegate.ssl.methods.settings import MoCoV2Settings, MoCoV3Settings, ProgrammeSettings, SimCLRSettings
from framegate.ssl.methods.settings_lejepa import LeJEPASettings

__all__ = [
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
