"""A classifier folder says nothing of the machine on which its encoders lay."""

import json

import torch

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.streams.streams import AudioConfig, FramesConfig, TextConfig
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.backbone_export import export_backbone
from tests.finetune.encoders.small_encoders import (
    create,
    save_ast,
    save_bert,
)


def test_a_saved_classifier_says_nothing_of_where_its_encoders_came_from(tmp_path):
    torch.manual_seed(0)
    home = tmp_path / "home" / "me"
    save_bert(home / "words")
    save_ast(home / "ears")
    export_backbone(Backbone("test_resnet", image_size=32), home / "eyes", card="")
    model = create(
        frames=FramesConfig(backbone=str(home / "eyes")),
        audio=AudioConfig(backbone=str(home / "ears"), window_seconds=0.5),
        text=TextConfig(backbone=str(home / "words")),
    )
    model.save_pretrained(tmp_path / "classifier")
    again = GatedFusionClassifier.from_pretrained(tmp_path / "classifier")
    streams = again.config.streams
    assert [stream.backbone for stream in (streams.frames, streams.audio, streams.text)] == [
        "test_resnet",
        "ears",
        "words",
    ]
    again.save_pretrained(tmp_path / "again")
    for folder in ("classifier", "again"):
        files = [file for file in (tmp_path / folder).rglob("*") if file.is_file()]
        assert files
        assert not [file for file in files if str(tmp_path).encode() in file.read_bytes()]
    assert GatedFusionClassifier.from_pretrained(tmp_path / "again").config == again.config


def test_a_path_in_an_older_folder_does_not_go_on(copy_folder, tmp_path):
    folder = copy_folder("text")
    content = json.loads((folder / "config.json").read_text())
    content["config"]["streams"]["text"]["backbone"] = "/home/somebody/words"
    content["text_encoder"] |= {"_name_or_path": "/home/somebody/words", "torch_dtype": "float32", "pruned_heads": {}}
    content["text_encoder"] |= {"_attn_implementation_autoset": True, "backbone": None, "architectures": ["BertModel"]}
    (folder / "config.json").write_text(json.dumps(content))
    GatedFusionClassifier.from_pretrained(folder).save_pretrained(tmp_path / "again")
    assert "somebody" not in (tmp_path / "again" / "config.json").read_text()


def test_names_of_the_hub_stay(encoder_folders, tmp_path, monkeypatch):
    monkeypatch.setattr("framegate.finetune.encoders.hub.fetch_folder", lambda name, files: encoder_folders / "bert")
    model = create(text=TextConfig(backbone="someone/words"))
    model.save_pretrained(tmp_path / "classifier")
    assert GatedFusionClassifier.from_pretrained(tmp_path / "classifier").config == model.config
