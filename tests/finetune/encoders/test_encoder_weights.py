"""An encoder's weights: read as transformers reads them, from this folder alone, and nothing in them runs."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import BertModel

from framegate.finetune.encoders.hub import EncoderError, HubTextEncoder


class Intruder:
    """Unpickling it would write a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.write_text, (self.trace, "was here")


def test_weights_in_a_pickle_are_read_and_their_code_is_not_run(encoder_folders, copy_folder):
    folder = copy_folder("bert")
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


def test_weights_in_several_files_are_of_this_folder(copy_folder, tmp_path):
    folder = copy_folder("bert")
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


def test_weights_come_out_of_a_folder_as_transformers_itself_reads_them(encoder_folders):
    ours = HubTextEncoder.load(str(encoder_folders / "bert")).model.state_dict()
    theirs = BertModel.from_pretrained(encoder_folders / "bert").state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
