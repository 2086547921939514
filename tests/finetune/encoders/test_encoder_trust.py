"""Encoders of strangers: read as data, never run, and nothing else is opened."""

import json
from pathlib import Path

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_MAPPING

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.encoders.encoder_trust import MODELS, describe, make_config
from framegate.finetune.encoders.hub import EncoderError, HubAudioEncoder, HubTextEncoder, load_extractor
from framegate.finetune.folders.classifier_folder import FolderError
from framegate.finetune.streams.tokenizer import load_tokenizer
from tests.finetune.encoders.small_encoders import (
    edit,
    edit_description,
)


def plant(folder: Path) -> Path:
    """A Python file beside the others, which leaves a trace when it is imported; and the name of the trace."""
    trace = folder / "trace"
    (folder / "intruder.py").write_text(
        f"open({str(trace)!r}, 'w').close()\n"
        "from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, Wav2Vec2FeatureExtractor\n"
        "class Intruder(PreTrainedTokenizerFast): pass\n"
        "class Ears(Wav2Vec2FeatureExtractor): pass\n"
        "class Config(BertConfig): model_type = 'stranger'\n"
        "class Model(BertModel): config_class = Config\n"
    )
    return trace


@pytest.fixture
def says_yes(monkeypatch):
    """Somebody at the keyboard who agrees to all."""
    monkeypatch.setattr("builtins.input", lambda *question: "y")


def test_a_tokenizers_own_code_is_not_run_whatever_the_user_would_answer(copy_folder, says_yes):
    folder = copy_folder("text")
    trace = plant(folder / "tokenizer")
    auto_map = {"AutoTokenizer": [None, "intruder.Intruder"]}
    edit(folder / "tokenizer" / "tokenizer_config.json", auto_map=auto_map, tokenizer_class="Intruder")
    with pytest.raises(FolderError, match=r"tokenizer_config\.json: auto_map would have code run"):
        GatedFusionClassifier.from_pretrained(folder)
    assert not trace.exists()


def test_nor_is_code_that_a_config_beside_it_names(copy_folder, says_yes):
    folder = copy_folder("text")
    trace = plant(folder / "tokenizer")
    auto_map = {"AutoConfig": "intruder.Config"}
    edit(folder / "tokenizer" / "config.json", model_type="stranger", auto_map=auto_map)
    with pytest.raises(FolderError, match=r"config\.json: auto_map"):
        GatedFusionClassifier.from_pretrained(folder)
    assert not trace.exists()


def test_a_feature_extractors_own_code_is_not_run(copy_folder, says_yes):
    folder = copy_folder("sound")
    trace = plant(folder / "sound")
    auto_map = {"AutoFeatureExtractor": "intruder.Ears"}
    edit(folder / "sound" / "preprocessor_config.json", auto_map=auto_map, feature_extractor_type="Ears")
    with pytest.raises(FolderError, match=r"preprocessor_config\.json: auto_map"):
        GatedFusionClassifier.from_pretrained(folder)
    assert not trace.exists()


@pytest.mark.parametrize("load", [HubTextEncoder.load, load_tokenizer])
def test_the_code_in_an_encoder_folder_that_the_user_names_is_not_run(load, copy_folder, says_yes):
    folder = copy_folder("bert")
    trace = plant(folder)
    edit(
        folder / "config.json",
        model_type="stranger",
        auto_map={"AutoConfig": "intruder.Config", "AutoModel": "intruder.Model"},
    )
    with pytest.raises(EncoderError, match=r"config\.json: auto_map"):
        load(str(folder))
    assert not trace.exists()


FOREIGN = {
    "auto_map": {"AutoModel": "a.B"},
    "backbone": "microsoft/resnet-50",
    "backbone_config": {"model_type": "timm_backbone"},
    "backbone_kwargs": {"trust_remote_code": True},
    "use_timm_backbone": True,
    "attn_implementation": "kernels-community/flash-attn",
    "_attn_implementation": "someone/kernel",
    "trust_remote_code": True,
    "quantization_config": {"quant_method": "gptq"},
    "transformers_weights": "../../model.safetensors",
    "fusion_config": {"patch_embeddings": True},
}


@pytest.mark.parametrize("key", FOREIGN)
@pytest.mark.parametrize("deep", [False, True])
def test_a_config_that_names_code_kernels_or_other_models_is_refused(key, deep, copy_folder, no_network):
    folder = copy_folder("text")
    foreign = {key: FOREIGN[key]}
    edit_description(folder, "text_encoder", **({"rope_parameters": [{"inner": foreign}]} if deep else foreign))
    with pytest.raises(FolderError, match=f"text encoder: {key} would have"):
        GatedFusionClassifier.from_pretrained(folder)
    encoder = copy_folder("bert")
    edit(encoder / "config.json", **foreign)
    with pytest.raises(EncoderError, match=f"{key} would have"):
        HubTextEncoder.load(str(encoder))
    assert not no_network


def test_a_model_that_is_not_listed_is_not_built(copy_folder, no_network):
    folder = copy_folder("text")
    content = json.loads((folder / "config.json").read_text())
    content["text_encoder"] = {"model_type": "detr", "backbone": "resnet50", "use_pretrained_backbone": True}
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(FolderError, match="backbone would have"):
        GatedFusionClassifier.from_pretrained(folder)
    for model_type in ("detr", "timm_wrapper", "vision-text-dual-encoder", 3, None):
        content["text_encoder"] = {"model_type": model_type}
        (folder / "config.json").write_text(json.dumps(content))
        with pytest.raises(FolderError, match=r"model_type .* is no encoder of text that framegate opens"):
            GatedFusionClassifier.from_pretrained(folder)
    assert not no_network


def test_local_folders_open_without_a_connection(encoder_folders, no_network):
    HubTextEncoder.load(str(encoder_folders / "bert"))
    load_tokenizer(str(encoder_folders / "bert"))
    for name in ("ast", "wav2vec2", "whisper"):
        HubAudioEncoder.load(str(encoder_folders / name))
        load_extractor(str(encoder_folders / name), rate=16_000)
    for name in ("text", "sound"):
        GatedFusionClassifier.from_pretrained(encoder_folders / name)
    assert not no_network


def test_an_adapter_of_another_model_is_refused(copy_folder, no_network):
    folder = copy_folder("bert")
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/else"}')
    for load in (HubTextEncoder.load, load_tokenizer):
        with pytest.raises(EncoderError, match="an adapter of another model"):
            load(str(folder))
    assert not no_network


@pytest.mark.parametrize("kind", ["text", "audio"])
def test_the_config_of_each_listed_model_is_the_same_when_it_is_read_again(kind):
    for model_type in MODELS[kind]:
        config = CONFIG_MAPPING[model_type]()
        description = json.loads(json.dumps({"model_type": model_type, **describe(config.to_dict())}))
        again = make_config(description, kind=kind, where="config.json")
        assert type(again) is type(config)
        assert describe(again.to_dict()) == describe(config.to_dict())
        assert type(config) in MODEL_MAPPING
