import pytest
import torch

from framegate.finetune.streams.gates import ContextGate, SqueezeExciteGate
from framegate.finetune.streams.nextvlad import NeXtVLAD
from framegate.finetune.streams.norm import MaskedBatchNorm


@pytest.fixture
def frames():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(6, 9, 8, dtype=torch.float64, generator=generator)
    lengths = torch.tensor([9, 4, 1, 7, 3, 5])
    return x, torch.arange(9) < lengths.unsqueeze(1)


@pytest.fixture
def module():
    torch.manual_seed(0)
    module = NeXtVLAD(8, 16, clusters=3, groups=4, expansion=2, dropout=0.0).double()
    for norm in (m for m in module.modules() if isinstance(m, torch.nn.BatchNorm1d)):  # not the identity
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias)
    return module


def normalise(norm, rows):
    """Batch norm over ``rows`` (n, C), written out."""
    mean, variance = rows.mean(dim=0), rows.var(dim=0, unbiased=False)
    return (rows - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias


def slow_nextvlad(module, x, mask):
    """The paper's formulas with loops over clips, frames, groups and clusters; statistics over real frames only."""
    real = [(clip, frame) for clip in range(len(x)) for frame in range(x.shape[1]) if mask[clip, frame]]
    wide = {at: module.expand.weight @ x[at] + module.expand.bias for at in real}
    assigned = normalise(module.assign_norm.norm, torch.stack([module.assign.weight @ wide[at] for at in real]))
    descriptors = []
    for clip in range(len(x)):
        y = torch.zeros(module.clusters, module.group_dim, dtype=x.dtype)
        for row, at in enumerate(real):
            if at[0] != clip:
                continue
            attention = torch.sigmoid(module.attend.weight @ wide[at] + module.attend.bias)
            scores = assigned[row].view(module.groups, module.clusters).softmax(dim=1)
            for g in range(module.groups):
                part = wide[at][g * module.group_dim : (g + 1) * module.group_dim]
                for k in range(module.clusters):
                    y[k] += attention[g] * scores[g, k] * (part - module.centres[k])
        descriptors.append((y / y.norm(dim=1, keepdim=True)).flatten())
    hidden = normalise(module.descriptor_norm.norm, torch.stack(descriptors)) @ module.hidden.weight.T
    hidden = normalise(module.hidden_norm.norm, hidden)
    gate = module.gate
    squeezed = normalise(gate.norm.norm, hidden @ gate.squeeze.weight.T).relu()
    return hidden * torch.sigmoid(squeezed @ gate.excite.weight.T + gate.excite.bias)


def test_equals_the_papers_formulas_in_training(module, frames):
    torch.testing.assert_close(module.train()(*frames), slow_nextvlad(module, *frames), rtol=0, atol=1e-10)


@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_nothing(module, frames, training):
    x, mask = frames
    module.train()(x, mask)  # running statistics that are not the initial ones
    before = {key: value.clone() for key, value in module.state_dict().items()}
    module.train(training)
    short = module(x, mask)
    module.load_state_dict(before)
    garbage = torch.full((len(x), 5, x.shape[2]), 1e6, dtype=x.dtype)
    longer = torch.cat([x.masked_fill(~mask.unsqueeze(-1), -1e6), garbage], dim=1)
    long = module(longer, torch.cat([mask, torch.zeros(len(x), 5, dtype=torch.bool)], dim=1))
    torch.testing.assert_close(long, short, rtol=0, atol=1e-12)


def test_a_clip_without_frames_gives_zero_and_leaves_the_others_alone(module, frames):
    x, mask = frames
    module.train()
    without = module(x[1:], mask[1:])
    emptied = mask.clone()
    emptied[0] = False
    out = module(x, emptied)
    assert out[0].eq(0).all()
    torch.testing.assert_close(out[1:], without, rtol=0, atol=1e-12)


def test_a_single_frame_in_training_is_finite(module, frames):
    x, _ = frames
    assert torch.isfinite(module.train()(x[:1, :1], torch.ones(1, 1, dtype=torch.bool))).all()


@pytest.mark.parametrize(("n", "k", "g", "h", "millions"), [(1280, 64, 8, 1024, 25.6), (1280, 32, 16, 512, 7.3)])
def test_the_parameter_count_is_the_papers(n, k, g, h, millions):
    with torch.device("meta"):
        module = NeXtVLAD(n, h, clusters=k, groups=g, expansion=2, reduction=8)
    wide = 2 * n
    formula = wide * (n + g + k * (g + (h + 1) / g))
    biases, norms = wide + g, 2 * (g * k + k * wide // g + h)
    gate = 2 * h * h // 8 + 2 * h // 8 + h
    assert sum(p.numel() for p in module.parameters()) == formula + biases + norms + gate
    assert formula / 1e6 == pytest.approx(millions, abs=0.05)


def test_groups_must_divide_the_features():
    with pytest.raises(ValueError, match="30 features"):
        NeXtVLAD(15, 8, groups=4)


def test_the_context_gate_is_its_formula():
    torch.manual_seed(0)
    gate, x = ContextGate(6).double(), torch.randn(5, 6, dtype=torch.float64)
    expected = torch.sigmoid(normalise(gate.norm.norm, x @ gate.weight.weight.T)) * x
    torch.testing.assert_close(gate(x, torch.ones(5, dtype=torch.bool)), expected, rtol=0, atol=1e-12)
    assert sum(p.numel() for p in gate.parameters()) == 6 * 6 + 2 * 6


def test_the_squeeze_and_excite_gate_is_its_formula():
    torch.manual_seed(0)
    gate, x = SqueezeExciteGate(8, reduction=4).double(), torch.randn(5, 8, dtype=torch.float64)
    squeezed = normalise(gate.norm.norm, x @ gate.squeeze.weight.T).relu()
    expected = torch.sigmoid(squeezed @ gate.excite.weight.T + gate.excite.bias) * x
    torch.testing.assert_close(gate(x, torch.ones(5, dtype=torch.bool)), expected, rtol=0, atol=1e-12)


def test_masked_batch_norm_keeps_its_statistics_to_real_rows():
    norm, x = MaskedBatchNorm(3), torch.randn(4, 5, 3)
    mask = torch.arange(5) < torch.tensor([[5], [2], [0], [3]])
    plain = torch.nn.BatchNorm1d(3)
    torch.testing.assert_close(norm(x, mask)[mask], plain(x[mask]))
    torch.testing.assert_close(norm.norm.running_var, plain.running_var)
    assert norm(x, mask)[~mask].eq(0).all()
