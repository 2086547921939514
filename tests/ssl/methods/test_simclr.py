import pytest
import torch
from torch import nn

from framegate.ssl.methods.simclr import SimCLR
from tests.ssl.tiny_backbone import TinyBackbone, draws, pictures, tiny_simclr, view_batch

FIRST, SECOND = pictures(6, seed=1), pictures(6, seed=2)


def nt_xent(rows: torch.Tensor, sources: torch.Tensor, temperature: float) -> torch.Tensor:
    """Equation 1 of the paper, view by view; other frames of a view's source do not count."""
    frames = len(rows) // 2
    losses = []
    for i in range(2 * frames):
        positive = (i + frames) % (2 * frames)
        others = [k for k in range(2 * frames) if sources[k % frames] != sources[i % frames]]
        logits = torch.stack([rows[i] @ rows[k] for k in (positive, *others)]) / temperature
        losses.append(-logits.log_softmax(dim=0)[0])
    return torch.stack(losses).mean()


@pytest.mark.parametrize("sources", [[0, 1, 2, 3, 4, 5], [0, 1, 0, 2, 3, 1]])
def test_the_loss_is_the_papers(sources):
    simclr = tiny_simclr(temperature=0.3)
    sources = torch.tensor(sources)
    rows = nn.functional.normalize(simclr.encoder(torch.cat([FIRST, SECOND])), dim=1)
    loss = simclr(view_batch(FIRST, SECOND, sources), draws()).loss
    torch.testing.assert_close(loss, nt_xent(rows, sources, 0.3), rtol=1e-12, atol=0)


def test_both_views_run_through_the_encoder_together():
    simclr = tiny_simclr()
    seen = []
    simclr.encoder.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    simclr(view_batch(FIRST, SECOND, torch.arange(6)), draws())
    assert seen == [12]


def test_it_keeps_no_keys():
    simclr = tiny_simclr()
    output = simclr(view_batch(FIRST, SECOND, torch.arange(6)), draws())
    assert len(output.keys) == 0
    state = {name: tensor.clone() for name, tensor in simclr.state_dict().items()}
    simclr.push(output)
    simclr.update_key_encoder(0.9)
    assert all(torch.equal(tensor, state[name]) for name, tensor in simclr.state_dict().items())


def test_split_batch_norm_is_refused():
    with pytest.raises(ValueError, match="sync or plain"):
        SimCLR(TinyBackbone(), batch_norm="split")
