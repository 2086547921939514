"""Which parameters of a model learn, and how fast."""

from typing import Any, Literal, cast

from timm.models import group_parameters
from torch import nn

Trained = Literal["frozen", "last", "all"]


def set_trained(encoder: nn.Module, train: Trained) -> None:
    """Freeze ``encoder``, or all of it but its last stage and what comes after, or nothing."""
    encoder.requires_grad_(train == "all")
    if train == "last":
        stages = layers(encoder, coarse=True)
        while stages:
            last = stages.pop()
            for parameter in last:
                parameter.requires_grad_(True)
            if any(parameter.dim() > 1 for parameter in last):  # more than a final norm
                return


def hold_still(encoder: nn.Module) -> None:
    """Evaluation mode for all parts that do not learn: their statistics stay as they are, too."""
    for module in encoder.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def layers(encoder: nn.Module, *, coarse: bool = False) -> list[list[nn.Parameter]]:
    """The parameters of an encoder's layers, from its input on.

    Of a timm model (``encoder.model``) the groups of its own ``group_matcher``, with ``coarse`` its stages. Of others,
    Hugging Face's for one, the members of the largest ``ModuleList``, after what was registered before them; what was
    registered after goes with the last.
    """
    network: nn.Module = getattr(encoder, "model", encoder)
    parameters = dict(network.named_parameters())
    if hasattr(network, "group_matcher"):
        found: dict[int, list[str]] = group_parameters(network, cast(Any, network).group_matcher(coarse=coarse))
        return [[parameters[name] for name in found[key] if name in parameters] for key in sorted(found)]
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    largest = max(lists, key=_size, default=nn.ModuleList())
    blocks = [list(block.parameters()) for block in largest]
    inside, ordered = {id(parameter) for block in blocks for parameter in block}, list(parameters.values())
    places = [place for place, parameter in enumerate(ordered) if id(parameter) in inside] or [len(ordered)]
    after = ordered[places[-1] + 1 :]  # a norm, or a pooling that is not used: nothing to stop at
    found_blocks = [*blocks[:-1], [*blocks[-1], *after]] if blocks else []
    return [its for its in (ordered[: places[0]], *found_blocks) if its]


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


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
        layer_decay: the rate of an encoder's k-th layer from its end is multiplied by this to the k-th power.

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
    """The parameters of a stream's encoder, and how many layers come after each; none without such a stream."""
    try:
        encoder = model.get_submodule(f"streams.{stream}.encoder")
    except AttributeError:
        return []
    return [(parameter, below) for below, its in enumerate(reversed(layers(encoder))) for parameter in its]
