"""The pretraining methods, one file each, and the registry by which recipes name them."""

from framegate.ssl.methods.registry import KeyEncoderSettings, MethodSettings, register, registered
from framegate.ssl.methods.settings import MoCoV2Settings, MoCoV3Settings, ProgrammeSettings, SimCLRSettings

# Registered after the older ones, in whose order recipes' errors name them.
from framegate.ssl.methods.distill_settings import DistillSettings  # isort: skip
from framegate.ssl.methods.lejepa_settings import LeJEPASettings  # isort: skip

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
