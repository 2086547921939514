"""Encoders, tokenizers and feature extractors of strangers: read as data, never run, and nothing else is opened."""

import json
import resource
import shutil
from pathlib import Path

import pytest
import torch
from transformers import BertModel, Wav2Vec2Config, Wav2Vec2Model
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_MAPPING

from framegate.finetune.classifier import ClassifierConfig, GatedFusionClassifier
from framegate.finetune.encoders.encoder_trust import MODELS, describe, make_config
from framegate.finetune.encoders.hub import EncoderError, HubAudioEncoder, HubTextEncoder, load_extractor
from framegate.finetune.folders.classifier_folder import FolderError
from framegate.finetune.fusion.fusion import FusionConfig
from framegate.finetune.streams.prepare import ClipInput
from framegate.finetune.streams.streams import AudioConfig, FramesConfig, StreamsConfig, TextConfig
from framegate.finetune.streams.tokenizer import load_tokenizer
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.backbone_export import export_backbone
from tests.finetune.encoders.test_hub import SMALL, save_ast, save_bert, save_wav2vec2, save_whisper
from tests.no_network import no_network  # noqa: F401

TAXONOMY = Taxonomy((Node("a"), Node("b")))


def create(**streams):
    parts = {"frames": None, "audio": None, "text": None, **streams}
    config = ClassifierConfig(streams=StreamsConfig(**parts), fusion=FusionConfig(width=16))
    return GatedFusionClassifier.create(config, TAXONOMY, image_size=32)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder of encoders, and of classifiers with them."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("made")
    for name, save in (("bert", save_bert), ("ast", save_ast), ("wav2vec2", save_wav2vec2), ("whisper", save_whisper)):
        save(folder / name)
    create(text=TextConfig(backbone=str(folder / "bert"))).save_pretrained(folder / "text")
    create(audio=AudioConfig(backbone=str(folder / "ast"), window_seconds=0.5)).save_pretrained(folder / "sound")
    return folder


@pytest.fixture
def copy(made, tmp_path):
    """Copies of them, to be spoilt."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(made / name, tmp_path / name))

    return copy


def edit(file: Path, **changes) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | changes))


def edit_description(folder: Path, key: str, **changes) -> None:
    content = json.loads((folder / "config.json").read_text())
    content[key] |= changes
    (folder / "config.json").write_text(json.dumps(content))


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


def test_a_tokenizers_own_code_is_not_run_whatever_the_user_would_answer(copy, says_yes):
    folder = copy("text")
    trace = plant(folder / "tokenizer")
    auto_map = {"AutoTokenizer": [None, "intruder.Intruder"]}
    edit(folder / "tokenizer" / "tokenizer_config.json", auto_map=auto_map, tokenizer_class="Intruder")
    with pytest.raises(FolderError, match=r"tokenizer_config\.json: auto_map would have code run"):
        GatedFusionClassifier.from_pretrained(folder)
    assert not trace.exists()


def test_nor_is_code_that_a_config_beside_it_names(copy, says_yes):
    folder = copy("text")
    trace = plant(folder / "tokenizer")
    auto_map = {"AutoConfig": "intruder.Config"}
    edit(folder / "tokenizer" / "config.json", model_type="stranger", auto_map=auto_map)
    with pytest.raises(FolderError, match=r"config\.json: auto_map"):
        GatedFusionClassifier.from_pretrained(folder)
    assert not trace.exists()


def test_a_feature_extractors_own_code_is_not_run(copy, says_yes):
    folder = copy("sound")
    trace = plant(folder / "sound")
    auto_map = {"AutoFeatureExtractor": "intruder.Ears"}
    edit(folder / "sound" / "preprocessor_config.json", auto_map=auto_map, feature_extractor_type="Ears")
    with pytest.raises(FolderError, match=r"preprocessor_config\.json: auto_map"):
        GatedFusionClassifier.from_pretrained(folder)
    assert not trace.exists()


@pytest.mark.parametrize("load", [HubTextEncoder.load, load_tokenizer])
def test_the_code_in_an_encoder_folder_that_the_user_names_is_not_run(load, copy, says_yes):
    folder = copy("bert")
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
def test_a_config_that_names_code_kernels_or_other_models_is_refused(key, deep, copy, no_network):  # noqa: F811
    folder = copy("text")
    foreign = {key: FOREIGN[key]}
    edit_description(folder, "text_encoder", **({"rope_parameters": [{"inner": foreign}]} if deep else foreign))
    with pytest.raises(FolderError, match=f"text encoder: {key} would have"):
        GatedFusionClassifier.from_pretrained(folder)
    encoder = copy("bert")
    edit(encoder / "config.json", **foreign)
    with pytest.raises(EncoderError, match=f"{key} would have"):
        HubTextEncoder.load(str(encoder))
    assert not no_network


def test_a_model_that_is_not_listed_is_not_built(copy, no_network):  # noqa: F811
    folder = copy("text")
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


def test_local_folders_open_without_a_connection(made, no_network):  # noqa: F811
    HubTextEncoder.load(str(made / "bert"))
    load_tokenizer(str(made / "bert"))
    for name in ("ast", "wav2vec2", "whisper"):
        HubAudioEncoder.load(str(made / name))
        load_extractor(str(made / name), rate=16_000)
    for name in ("text", "sound"):
        GatedFusionClassifier.from_pretrained(made / name)
    assert not no_network


def test_an_adapter_of_another_model_is_refused(copy, no_network):  # noqa: F811
    folder = copy("bert")
    (folder / "config.json").unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "someone/else"}')
    for load in (HubTextEncoder.load, load_tokenizer):
        with pytest.raises(EncoderError, match="an adapter of another model"):
            load(str(folder))
    assert not no_network


@pytest.mark.parametrize(
    "changes",
    [
        {"tokenizer_class": "BertJapaneseTokenizer"},
        {"tokenizer_class": "LlamaTokenizer"},
        {"vocab_file": "/etc/passwd"},
        {"merges_file": "/etc/passwd"},
        {"gguf_file": "x.gguf"},
        {"fast_tokenizer_files": ["tokenizer.4.0.0.json"]},
        {"init_inputs": ["x"]},
        {"model_max_length": float("nan")},
    ],
)
def test_a_tokenizer_that_is_not_listed_or_names_other_files_is_refused(changes, copy):
    folder = copy("text")
    edit(folder / "tokenizer" / "tokenizer_config.json", **changes)
    with pytest.raises(
        FolderError, match=r"tokenizer_config\.json: .*" + (set(changes) - {"model_max_length"} or {"NaN"}).pop()
    ):
        GatedFusionClassifier.from_pretrained(folder)


def test_a_damaged_or_huge_tokenizer_is_a_plain_error(copy):
    folder = copy("text")
    file = folder / "tokenizer" / "tokenizer.json"
    for content in ("{", "[" * 100_000, '{"model": {"type": "Unigram", "unk_id": 7, "vocab": []}}'):
        file.write_text(content)
        with pytest.raises(FolderError) as caught:
            GatedFusionClassifier.from_pretrained(folder)
        assert "tokenizer" in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
    with file.open("wb") as opened:
        opened.truncate(33 << 20)
    with pytest.raises(FolderError, match=r"tokenizer\.json: larger than 32 MB"):
        GatedFusionClassifier.from_pretrained(folder)


def test_a_tokenizer_that_gives_up_over_a_text_is_a_plain_error(copy):
    folder = copy("text")
    file = folder / "tokenizer" / "tokenizer.json"
    content = json.loads(file.read_text())
    pattern = {"Regex": "(a+)+$"}
    content["pre_tokenizer"] = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
    file.write_text(json.dumps(content))
    model = GatedFusionClassifier.from_pretrained(folder)
    with pytest.raises(EncoderError, match=r"tokenizer: .*retry-limit"):
        model.predict([ClipInput(text="a" * 100 + "!")])


@pytest.mark.parametrize("where", ["vocabulary", "template"])
def test_a_token_beyond_the_embedding_is_refused_before_a_text_meets_it(where, copy):
    folder = copy("text")
    file = folder / "tokenizer" / "tokenizer.json"
    content = json.loads(file.read_text())
    if where == "vocabulary":
        content["model"]["vocab"]["w"] = 1_000_000
    else:
        special = {"id": "[X]", "ids": [1_000_000], "tokens": ["[X]"]}
        part = [{"SpecialToken": {"id": "[X]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
        content["post_processor"] = {"type": "TemplateProcessing", "single": part, "pair": part}
        content["post_processor"]["special_tokens"] = {"[X]": special}
        content["post_processor"]["pair"] = [*part, {"Sequence": {"id": "B", "type_id": 0}}]
    file.write_text(json.dumps(content))
    with pytest.raises(FolderError, match=r"the tokenizer has a token 1,000,000, and its encoder knows \d+"):
        GatedFusionClassifier.from_pretrained(folder).predict([ClipInput(text="we")])


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("ast", {"max_length": 10**9}, "max_length is 1000000000, not a number of 1 to 8192"),
        ("ast", {"num_mel_bins": 10**9}, "num_mel_bins"),
        ("ast", {"mean": "x"}, "mean is x"),
        ("whisper", {"n_fft": 10**9}, "n_fft"),
        ("whisper", {"chunk_length": 10**9}, "chunk_length"),
        ("whisper", {"chunk_length": 60, "hop_length": 16}, "chunk_length and hop_length"),
        ("whisper", {"feature_size": 10**9}, "feature_size"),
        ("wav2vec2", {"feature_extractor_type": "EncodecFeatureExtractor"}, "no feature extractor 'Encodec"),
        ("wav2vec2", {"padding_side": "up"}, "padding_side"),
        ("wav2vec2", {"do_normalize": {}}, "do_normalize"),
    ],
)
def test_a_feature_extractor_keeps_within_bounds(name, changes, message, copy):
    folder = copy(name)
    edit(folder / "preprocessor_config.json", **changes)
    with pytest.raises(EncoderError, match=message):
        load_extractor(str(folder), rate=16_000)


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize(
    "changes",
    [
        {"vocab_size": 100_000_000, "hidden_size": 8},
        {"vocab_size": 2_000_000, "hidden_size": 200},
        {"max_position_embeddings": 16_000_000},
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 512, "hidden_size": 512, "intermediate_size": 2048},
        {"hidden_size": float("1e30")},
    ],
)
def test_an_encoder_larger_than_its_weights_takes_no_memory(changes, copy):
    before = megabytes()
    folder = copy("text")
    edit_description(folder, "text_encoder", **changes)
    with pytest.raises(FolderError):
        GatedFusionClassifier.from_pretrained(folder)
    encoder = copy("bert")
    edit(encoder / "config.json", **changes)
    with pytest.raises(EncoderError):
        HubTextEncoder.load(str(encoder))
    assert megabytes() - before < 300


def test_an_encoder_that_looks_at_every_sample_is_refused(tmp_path):
    save_wav2vec2(tmp_path)
    layers = {"conv_dim": (8, 8), "conv_stride": (1, 1), "conv_kernel": (10, 8)}
    positions = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    Wav2Vec2Model(Wav2Vec2Config(**SMALL, **layers, **positions)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"streams\.audio: more than 5,000 positions"):
        create(audio=AudioConfig(backbone=str(tmp_path)))


def test_a_text_longer_than_its_encoder_reads_is_refused(made):
    with pytest.raises(ValueError, match=r"max_tokens is 1000, and its encoder reads 512"):
        create(text=TextConfig(backbone=str(made / "bert"), max_tokens=1000))


class Intruder:
    """Unpickling it would write a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.write_text, (self.trace, "was here")


def test_weights_in_a_pickle_are_read_and_their_code_is_not_run(made, copy):
    folder = copy("bert")
    encoder = HubTextEncoder.load(str(folder))
    (folder / "model.safetensors").unlink()
    tensors = encoder.model.state_dict()
    torch.save(tensors, folder / "pytorch_model.bin")
    again = HubTextEncoder.load(str(folder))
    assert all(torch.equal(again.model.state_dict()[name], tensor) for name, tensor in tensors.items())
    torch.save({**tensors, "extra": Intruder(folder / "trace")}, folder / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="not a file of plain tensors"):
        HubTextEncoder.load(str(folder))
    assert not (folder / "trace").exists()


def test_weights_in_several_files_are_of_this_folder(copy, tmp_path):
    folder = copy("bert")
    wanted = HubTextEncoder.load(str(folder)).model.state_dict()
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": dict.fromkeys(wanted, "model-00001-of-00001.safetensors")}))
    again = HubTextEncoder.load(str(folder)).model.state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in wanted.items())
    shutil.copy(folder / "model-00001-of-00001.safetensors", tmp_path / "other.safetensors")
    for name in ("../other.safetensors", str(tmp_path / "other.safetensors")):
        index.write_text(json.dumps({"weight_map": dict.fromkeys(wanted, name)}))
        with pytest.raises(EncoderError, match="weight_map names no files of this folder"):
            HubTextEncoder.load(str(folder))


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


def test_a_path_in_an_older_folder_does_not_go_on(copy, tmp_path):
    folder = copy("text")
    content = json.loads((folder / "config.json").read_text())
    content["config"]["streams"]["text"]["backbone"] = "/home/somebody/words"
    content["text_encoder"] |= {"_name_or_path": "/home/somebody/words", "torch_dtype": "float32", "pruned_heads": {}}
    content["text_encoder"] |= {"_attn_implementation_autoset": True, "backbone": None, "architectures": ["BertModel"]}
    (folder / "config.json").write_text(json.dumps(content))
    GatedFusionClassifier.from_pretrained(folder).save_pretrained(tmp_path / "again")
    assert "somebody" not in (tmp_path / "again" / "config.json").read_text()


def test_names_of_the_hub_stay(made, tmp_path, monkeypatch):
    monkeypatch.setattr("framegate.finetune.encoders.hub.fetch_folder", lambda name, files: made / "bert")
    model = create(text=TextConfig(backbone="someone/words"))
    model.save_pretrained(tmp_path / "classifier")
    assert GatedFusionClassifier.from_pretrained(tmp_path / "classifier").config == model.config


def test_weights_come_out_of_a_folder_as_transformers_itself_reads_them(made):
    ours = HubTextEncoder.load(str(made / "bert")).model.state_dict()
    theirs = BertModel.from_pretrained(made / "bert").state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


@pytest.mark.parametrize("kind", ["text", "audio"])
def test_the_config_of_each_listed_model_is_the_same_when_it_is_read_again(kind):
    for model_type in MODELS[kind]:
        config = CONFIG_MAPPING[model_type]()
        description = json.loads(json.dumps({"model_type": model_type, **describe(config.to_dict())}))
        again = make_config(description, kind=kind, where="config.json")
        assert type(again) is type(config)
        assert describe(again.to_dict()) == describe(config.to_dict())
        assert type(config) in MODEL_MAPPING
