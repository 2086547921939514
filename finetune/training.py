"""Which parameters of a model learn, and how fast."""

from typing import Any, Literal

from timm.models import group_parameters
from torch import nn

Trained = Literal["frozen", "last", "all"]


def set_trained(encoder: nn.Module, train: Trained) -> None:
    """Freeze ``encoder``, or all of it but its last stage, or nothing.

    The last stage is timm's: the last group of the model's own ``group_matcher(coarse=True)`` that holds more than a
    final norm. ``encoder.model`` is the timm model.
    """
    encoder.requires_grad_(train == "all")
    if train == "last":
        for parameter in last_stage(encoder.model):  # type: ignore[arg-type]
            parameter.requires_grad_(True)


def last_stage(model: nn.Module) -> list[nn.Parameter]:
    """The parameters of a timm model's last stage, and of what comes after it."""
    parameters = dict(model.named_parameters())
    stages: dict[int, list[str]] = group_parameters(model, model.group_matcher(coarse=True))  # type: ignore[operator]
    chosen: list[str] = []
    for stage in sorted(stages, reverse=True):
        chosen += [name for name in stages[stage] if name in parameters]
        if any(parameters[name].dim() > 1 for name in chosen):
            break
    return [parameters[name] for name in chosen]


def parameter_groups(
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float,
    stream_lr: dict[str, float | None],
    layer_decay: float = 1.0,
) -> list[dict[str, Any]]:
    """Groups for an optimizer: a learning rate for each stream's encoder, no weight decay on norms and biases.

    Args:
        model: a :class:`~framegate.finetune.classifier.GatedFusionClassifier`.
        lr: of everything that ``stream_lr`` does not name.
        weight_decay: of matrices and kernels.
        stream_lr: the rate of the encoder of each of ``frames``, ``audio``, ``text``; None for ``lr``.
        layer_decay: the rate of a timm encoder's k-th layer from its end is multiplied by this to the k-th power.

    Returns:
        Groups with ``params``, ``lr``, ``weight_decay`` and a ``name``; empty ones are left out.
    """
    depth = {
        id(parameter): layers
        for stream in stream_lr
        for parameter, layers in _layers_below_the_top(model, stream)
        if layer_decay != 1.0
    }
    groups: dict[str, dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        stream = next((s for s in stream_lr if name.startswith(f"streams.{s}.encoder.")), None)
        below = depth.get(id(parameter), 0)
        rate = ((stream_lr[stream] if stream else None) or lr) * layer_decay**below
        decay = weight_decay if parameter.dim() > 1 else 0.0
        key = f"{stream or 'rest'}{f', {below} below the top' if below else ''}{'' if decay else ', no decay'}"
        group = groups.setdefault(key, {"params": [], "lr": rate, "weight_decay": decay, "name": key})
        group["params"].append(parameter)
    return list(groups.values())


def _layers_below_the_top(model: nn.Module, stream: str) -> list[tuple[nn.Parameter, int]]:
    """The parameters of a stream's timm encoder, and how many of timm's layers come after each; others have none."""
    try:
        network = model.get_submodule(f"streams.{stream}.encoder.model")
    except AttributeError:
        return []
    if not hasattr(network, "group_matcher"):
        return []
    parameters = dict(network.named_parameters())
    matcher = network.group_matcher(coarse=False)  # type: ignore[operator]  # timm's models all have one
    layers: dict[int, list[str]] = group_parameters(network, matcher)
    top = max(layers)
    return [(parameters[name], top - layer) for layer, names in layers.items() for name in names if name in parameters]
