"""Optimizers with explicit decay groups."""

from typing import Any

import torch
from timm.optim import Lars
from torch import nn

from framegate.recipes.config.sections import Optim
from framegate.ssl.methods.method import Method


def make_optimizer(config: Optim, model: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer of all trained parameters of ``model``, in the groups of `decay_groups`."""
    return build_optimizer(config, decay_groups(model, config.weight_decay))


def build_optimizer(config: Optim, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Build the recipe's optimizer for the given parameter groups."""
    match config.name:
        case "sgd":
            return torch.optim.SGD(groups, lr=config.lr, momentum=0.9)
        case "lars":
            lars: torch.optim.Optimizer = Lars(groups, lr=config.lr, momentum=0.9)
            return lars
        case "adamw":
            return torch.optim.AdamW(groups, lr=config.lr)


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return two parameter groups: matrices and kernels, which decay, and norms and biases, which do not.

    What a pretraining method spares (`Method.undecayed`) stands in the second.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    methods = [module for module in model.modules() if isinstance(module, Method)]
    spared = {id(parameter) for method in methods for parameter in method.undecayed}
    return [
        {"params": [p for p in trained if p.ndim > 1 and id(p) not in spared], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1 or id(p) in spared], "weight_decay": 0.0},
    ]


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all groups, multiplied by a group's ``lr_scale`` if it has one."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)
