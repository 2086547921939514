"""A teacher stays as it is: it moves with its module, and is no part of its state but for a digest."""

import copy

import pytest
import torch
from torch import nn

from framegate.ssl.modules.teacher import Teacher
from tests.ssl.tiny_backbone import TinyTeacher, pictures


def teacher(*, seed: int = 0) -> Teacher:
    torch.manual_seed(seed)
    return Teacher(TinyTeacher(nn.BatchNorm2d))


def test_it_stays_in_evaluation_mode_and_without_gradient() -> None:
    held = teacher()
    nn.Sequential(held).train()
    assert not held.backbone.training
    before = {name: tensor.clone() for name, tensor in held.backbone.state_dict().items()}
    features = held(pictures(4))
    assert not features.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in held.backbone.state_dict().items())


def test_its_tensors_are_nobodys_parameters_buffers_or_modules() -> None:
    module = nn.Sequential(teacher())
    assert list(module.parameters()) == []
    assert list(module.state_dict()) == ["0.digest"]
    assert not any(isinstance(inner, TinyTeacher) for inner in module.modules())


def test_it_moves_with_the_module_it_is_in() -> None:
    module = nn.Sequential(teacher()).double()
    (held,) = module
    assert held.backbone.convolution.weight.dtype == torch.float64
    assert held.digest.dtype == torch.uint8
    module.to(memory_format=torch.channels_last)
    assert held.backbone.convolution.weight.is_contiguous(memory_format=torch.channels_last)
    assert module.to("meta")[0](pictures(2).to("meta")).device.type == "meta"


def test_a_state_loads_only_beside_the_same_teacher() -> None:
    state = teacher().state_dict()
    teacher().double().load_state_dict(state)
    copy.deepcopy(teacher()).load_state_dict(state)
    with pytest.raises(RuntimeError, match=r"method\.teacher has other weights than the run began with"):
        teacher(seed=1).load_state_dict(state)


def test_other_statistics_or_pixels_make_another_teacher() -> None:
    backbone = TinyTeacher(nn.BatchNorm2d)
    backbone.register_buffer("mean", torch.zeros(3), persistent=False)
    digests = [Teacher(backbone).digest.tolist()]
    for tensor in (backbone.mean, backbone.norm.running_mean):
        tensor.add_(1)
        digests.append(Teacher(backbone).digest.tolist())
    assert len({tuple(digest) for digest in digests}) == 3
