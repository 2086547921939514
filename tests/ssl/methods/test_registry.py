"""The registry of methods: one name, one settings class."""

import subprocess
import sys
from typing import Literal

import pytest
from pydantic import BaseModel

from framegate.ssl.methods import MethodSettings, MoCoV2Settings, register, registered


def test_framegates_own_methods_are_registered_under_the_names_that_recipes_say() -> None:
    assert list(registered())[:4] == ["moco_v2", "moco_v3", "simclr", "programme"]
    assert "lejepa" in registered()
    for name, settings in registered().items():
        assert settings().name == name
        assert issubclass(settings, BaseModel)


def test_a_method_needs_a_name_of_its_own_and_a_way_to_be_built() -> None:
    class Nameless(MethodSettings):
        pass

    class Twice(MethodSettings):
        name: Literal["moco_v2"] = "moco_v2"

    class Unbuilt(MethodSettings):
        name: Literal["unbuilt"] = "unbuilt"

    with pytest.raises(ValueError, match="Nameless needs a name of its own: name: Literal"):
        register(Nameless)
    with pytest.raises(ValueError, match=r"a method 'moco_v2' is registered already: .*MoCoV2Settings"):
        register(Twice)
    with pytest.raises(ValueError, match="Unbuilt lacks build"):
        register(Unbuilt)
    assert registered()["moco_v2"] is MoCoV2Settings
    assert "unbuilt" not in registered()


def test_a_reloaded_module_may_register_its_method_again() -> None:
    again = type("MoCoV2Settings", (MoCoV2Settings,), {"__module__": MoCoV2Settings.__module__})
    try:
        assert register(again) is registered()["moco_v2"]
    finally:
        register(MoCoV2Settings)
    assert registered()["moco_v2"] is MoCoV2Settings


def test_settings_are_read_without_torch() -> None:
    code = "import sys, framegate.ssl.methods; print(sorted({'torch', 'timm', 'lightly'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
