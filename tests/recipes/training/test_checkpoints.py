"""Checkpoints: complete or absent, and everything comes back."""

from pathlib import Path

import pytest
import torch
from torch import nn

from framegate.recipes.training.checkpoints import complete_checkpoints, load_checkpoint, read_state, save_checkpoint


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(2))


def optimizers() -> list:
    return [
        lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
        lambda parameters: torch.optim.AdamW(parameters, lr=0.1),
    ]


def train(module: nn.Module, optimizer: torch.optim.Optimizer, steps: int, first: int = 0) -> list[float]:
    losses = []
    for step in range(first, first + steps):
        images = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(step))
        loss = (module(images) + torch.rand(())).square().mean()  # the global random state is part of the state
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def save(folder: Path, step: int, module: nn.Module, optimizer: torch.optim.Optimizer, keep: int = 2) -> Path:
    return save_checkpoint(
        folder, step=step, modules={"net": module}, optimizer=optimizer, extra={"data": "d"}, keep=keep
    )


@pytest.mark.parametrize("make", optimizers())
def test_a_training_goes_on_as_if_nothing_had_happened(make, tmp_path: Path) -> None:
    module = network(0)
    module(torch.zeros(2, 3, 6, 6))
    optimizer = make(module.parameters())
    train(module, optimizer, 3)
    checkpoint = save(tmp_path, 3, module, optimizer)
    expected = train(module, optimizer, 4, first=3)

    other = network(1)
    other(torch.zeros(2, 3, 6, 6))
    optimizer = make(other.parameters())
    load_checkpoint(checkpoint, modules={"net": other}, optimizer=optimizer)
    assert train(other, optimizer, 4, first=3) == expected
    for one, two in zip(module.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_the_newest_stay_and_the_state_is_plain_json(tmp_path: Path) -> None:
    module = network(0)
    module(torch.zeros(2, 3, 6, 6))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for step in (10, 20, 30):
        save(tmp_path, step, module, optimizer, keep=2)
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["step-0000020", "step-0000030"]
    state = read_state(tmp_path / "step-0000030")
    assert (state["step"], state["data"]) == (30, "d")


def test_a_save_that_fails_midway_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    module = network(0)
    module(torch.zeros(2, 3, 6, 6))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    save(tmp_path, 1, module, optimizer)
    with pytest.raises(TypeError):  # met while the folder is half written
        save_checkpoint(tmp_path, step=2, modules={"net": module}, optimizer=optimizer, extra={"not": object()})
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["step-0000001"]
    save(tmp_path, 2, module, optimizer)
    assert complete_checkpoints(tmp_path)[-1].name == "step-0000002"
