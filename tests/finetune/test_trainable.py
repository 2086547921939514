"""What training does besides the loss: order, mixing, second looks, learning rates, weights of the streams' losses."""

from dataclasses import replace

import numpy as np
import pytest
import timm
import torch

from framegate.finetune.data.batch import ClipBatch, Features, Raw
from framegate.finetune.data.clip_order import BalancedOrder
from framegate.finetune.data.corruption import Corruptions, corrupt
from framegate.finetune.data.mixup import Mixup, draw_mixup
from framegate.finetune.losses.criterion import laziness, training_loss
from framegate.finetune.losses.path_losses import LossConfig, hierarchical_loss
from framegate.finetune.output import ClassifierOutput
from framegate.finetune.streams.attention_views import look_again
from framegate.finetune.streams.streams import FramesConfig, FrameStream
from framegate.finetune.streams.text import SmallTextEncoder
from framegate.finetune.taxonomy.hierarchy import Hierarchy
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy
from framegate.finetune.trainable import layers, parameter_groups, set_trained
from framegate.ssl.backbones.backbone import Backbone

HIERARCHY = Hierarchy(Taxonomy((Node("a"), Node("b"), Node("a1", "a"), Node("a2", "a"))))


def test_balanced_batches_hold_each_class_as_often_and_all_of_its_clips():
    rows = np.arange(100, 160)
    classes = np.array([0] * 50 + [1] * 8 + [2] * 2)
    order = BalancedOrder(rows=rows, classes=classes, batch_size=15, epochs=30, seed=0)
    for epoch in range(3):
        drawn = np.concatenate([batch for at, batch in order.batches(0) if at == epoch])
        assert np.bincount(classes[drawn - 100]).tolist() == [20, 20, 20]
        assert set(rows[classes > 0]) <= set(drawn)
        assert len(set(drawn)) == 20 + 8 + 2
        for batch in (batch for at, batch in order.batches(0) if at == epoch):
            assert np.bincount(classes[batch - 100]).tolist() == [5, 5, 5]
    assert {int(row) for _, batch in order.batches(0) for row in batch} == set(rows.tolist())


def test_a_balanced_order_goes_on_from_any_step():
    order = BalancedOrder(rows=np.arange(20), classes=np.arange(20) % 3, batch_size=6, epochs=4, seed=1)
    whole = list(order.batches(0))
    assert len(whole) == order.total_steps == 12
    for (epoch, batch), (same_epoch, same) in zip(whole[5:], order.batches(5), strict=True):
        assert epoch == same_epoch
        assert np.array_equal(batch, same)


def test_only_clips_of_the_same_sound_modalities_are_mixed():
    present = torch.rand(200, 3, generator=torch.Generator().manual_seed(0)) < 0.7
    intact = present & (torch.rand(200, 3, generator=torch.Generator().manual_seed(1)) < 0.8)
    mixup = draw_mixup(present, intact, alpha=0.4, generator=torch.Generator().manual_seed(2))
    mixed = mixup.share < 1
    assert 10 < mixed.sum() < 100
    assert (mixup.share >= 0.5).all()
    for rows in (mixed.nonzero().squeeze(1), mixup.partner[mixed]):
        assert torch.equal(present[rows], intact[rows])
    assert torch.equal(present[mixed], present[mixup.partner[mixed]])
    assert present[mixed].any(dim=1).all()
    again = draw_mixup(present, intact, alpha=0.4, generator=torch.Generator().manual_seed(2))
    assert torch.equal(again.share, mixup.share)


def test_mixing_takes_its_share_of_each():
    mixup = Mixup(partner=torch.tensor([1, 0, 2]), share=torch.tensor([0.75, 1.0, 1.0]))
    values = torch.tensor([[[4.0]], [[8.0]], [[1.0]]])
    assert mixup.mix(values).flatten().tolist() == [5.0, 8.0, 1.0]


def make_output(size=6):
    generator = torch.Generator().manual_seed(0)
    present = torch.ones(size, 3, dtype=torch.bool)
    return ClassifierOutput(
        log_probs=HIERARCHY.log_probs(torch.randn(size, 4, generator=generator)),
        reliability=torch.full((size, 3), 1 / 3),
        score=torch.zeros(size, 3),
        stream_log_probs=HIERARCHY.log_probs(torch.randn(size, 3, 4, generator=generator)),
        present=present,
        embedding=torch.zeros(size, 2),
        trust=torch.full((size, 3), 0.5),
    )


def test_the_loss_of_mixed_clips_is_the_mixed_loss_of_their_labels():
    output, labels = make_output(), torch.tensor([2, 3, 1, 2, 3, 0]).unsqueeze(1)
    mixup = Mixup(partner=torch.tensor([1, 2, 3, 4, 5, 0]), share=torch.tensor([0.6, 1.0, 0.7, 0.8, 0.9, 0.5]))
    config = LossConfig()
    found = training_loss(output, labels, output.present, HIERARCHY, config, mixup=mixup)
    plain = hierarchical_loss(output.log_probs, labels, HIERARCHY, config)
    partners = hierarchical_loss(output.log_probs, labels[mixup.partner], HIERARCHY, config)
    torch.testing.assert_close(found.fused, (mixup.share * plain + (1 - mixup.share) * partners).mean())


def test_lazy_streams_weigh_more_and_missing_ones_nothing():
    torch.testing.assert_close(laziness(torch.tensor([3.0, 1.0, 0.0])), torch.tensor([1.5, 0.5, 0.0]))
    assert laziness(torch.zeros(3)).eq(0).all()
    losses = torch.tensor([3.0, 1.0, 2.0], requires_grad=True)
    assert not laziness(losses).requires_grad


def test_adaptive_weights_enter_the_total():
    output, labels = make_output(), torch.tensor([2, 3, 1, 2, 3, 0]).unsqueeze(1)
    config = LossConfig(auxiliary=0.5, adaptive=True)
    found = training_loss(output, labels, output.present, HIERARCHY, config)
    expected = found.fused + 0.5 * (laziness(found.streams) * found.streams).sum() + config.trust * found.trust
    torch.testing.assert_close(found.total, expected)
    even = training_loss(output, labels, output.present, HIERARCHY, replace(config, adaptive=False))
    torch.testing.assert_close(even.total, even.fused + 0.5 * even.streams.sum() + config.trust * even.trust)
    assert not torch.isclose(found.total, even.total)


def test_trust_learns_from_the_verdict_and_from_what_was_corrupted():
    output, labels = make_output(2), torch.tensor([[2], [3]])
    trust = torch.tensor([[0.9, 0.2, 0.5], [0.8, 0.6, 0.7]])
    present = torch.tensor([[True, True, True], [True, True, False]])
    intact = torch.tensor([[True, False, True], [True, False, False]])
    verdict = HIERARCHY.log_probs(torch.randn(2, 4, generator=torch.Generator().manual_seed(3)))
    output = replace(output, trust=trust, present=present, verdict=verdict)
    found = training_loss(output, labels, intact, HIERARCHY, LossConfig())
    wrong = -(verdict[0, 2] + verdict[1, 3]) / 2
    distrusted = -(torch.tensor([0.8, 0.4]).log()).mean()  # 1 − 0.2 and 1 − 0.6; the absent one is not asked
    torch.testing.assert_close(found.trust, wrong + distrusted)


def pictures():
    """Two clips of two frames, the second clip's second not real."""
    frames = torch.randint(0, 256, (2, 2, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    mask = torch.tensor([[True, True], [True, False]])
    return ClipBatch(
        labels=torch.zeros(2, 1, dtype=torch.long), content={"frames": Raw(frames)}, masks={"frames": mask}
    )


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    return Backbone("resnet18", image_size=64).train()


def test_the_second_look_changes_real_pictures_alone_and_no_statistics(backbone):
    batch = pictures()
    frames, mask = batch.content["frames"].values, batch.masks["frames"]
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    dropped = look_again(batch, backbone, drop=1.0, generator=torch.Generator().manual_seed(0))
    zoomed = look_again(batch, backbone, crop=1.0, generator=torch.Generator().manual_seed(0))
    for changed in (dropped, zoomed):
        values = changed.content["frames"].values
        differs = (values != frames).flatten(2).any(dim=2)
        assert differs.any()
        assert not differs[~mask].any()
        assert values.dtype == torch.uint8
    assert backbone.training
    assert all(torch.equal(before[key], value) for key, value in backbone.state_dict().items())
    # Where it is hidden, the picture has its mean colour.
    first = dropped.content["frames"].values[0, 0]
    hidden = (first != frames[0, 0]).any(dim=0)
    mean = frames[0, 0].float().mean(dim=(1, 2)).round()
    assert (first[:, hidden].float() == mean[:, None]).all()
    assert 0.05 < hidden.float().mean() <= 0.5


def test_no_second_look_at_features_nor_by_no_chance(backbone):
    batch = pictures()
    same = look_again(batch, backbone, generator=torch.Generator())
    assert torch.equal(same.content["frames"].values, batch.content["frames"].values)
    features = batch.with_content("frames", Features(torch.randn(2, 2, 512)))
    assert look_again(features, backbone, drop=1.0, generator=torch.Generator()) is features


class Streams(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.streams = torch.nn.ModuleDict({"frames": torch.nn.ModuleDict({"encoder": torch.nn.Module()})})
        self.streams["frames"]["encoder"].model = model
        self.head = torch.nn.Linear(3, 2)


def test_rates_fall_layer_by_layer_from_the_top_of_a_backbone():
    network = timm.create_model("resnet18", num_classes=0)
    groups = parameter_groups(
        Streams(network), lr=1.0, weight_decay=0.05, stream_lr={"frames": 0.1, "audio": None}, layer_decay=0.5
    )
    rate = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    names = ["layer4.1.conv1.weight", "layer4.0.conv1.weight", "layer3.1.conv1.weight", "conv1.weight"]
    found = [rate[id(network.get_parameter(name))] for name in names]
    assert found[:3] == [0.1, 0.05, 0.025]
    assert found[3] == min(rate.values())
    assert max(rate[id(p)] for p in network.parameters()) <= 0.1
    assert rate[id(network.get_parameter("layer3.1.bn1.bias"))] == found[2]  # a norm goes with its layer
    flat = parameter_groups(Streams(network), lr=1.0, weight_decay=0.05, stream_lr={"frames": 0.1})
    assert {group["lr"] for group in flat} == {1.0, 0.1}


def small_text_encoder():
    return SmallTextEncoder(50, dim=8, layers=3, heads=2, max_tokens=5)


def test_layers_go_from_the_input_to_the_output_and_hold_everything_once():
    encoder = small_text_encoder()
    names = {id(parameter): name for name, parameter in encoder.named_parameters()}
    found = [[names.pop(id(parameter)) for parameter in layer] for layer in layers(encoder)]
    assert not names
    assert found[0] == ["words.weight", "positions.weight"]
    assert [{name.split(".")[2] for name in layer} for layer in found[1:3]] == [{"0"}, {"1"}]
    assert found[3][-2:] == ["blocks.norm.weight", "blocks.norm.bias"]
    assert len(found) == 4
    assert len(layers(torch.nn.Linear(2, 2))) == 1
    model = Streams(timm.create_model("resnet18", num_classes=0))
    model.streams["frames"]["encoder"] = encoder
    groups = parameter_groups(model, lr=1.0, weight_decay=0, stream_lr={"frames": None}, layer_decay=0.5)
    rate = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    assert [rate[id(layer[0])] for layer in layers(encoder)] == [0.125, 0.25, 0.5, 1.0]


def test_the_last_stage_alone_learns_and_the_others_hold_still():
    encoder = small_text_encoder()
    set_trained(encoder, "last")
    learning = {name for name, parameter in encoder.named_parameters() if parameter.requires_grad}
    assert {name.rsplit(".", 1)[0] for name in learning} >= {"blocks.norm", "blocks.layers.2.linear1"}
    assert all(name.startswith(("blocks.norm", "blocks.layers.2")) for name in learning)

    torch.manual_seed(0)
    stream = FrameStream(Backbone("resnet18", image_size=32), FramesConfig(train="last"), 16).train()
    network = stream.encoder.model
    assert {name.split(".")[0] for name, p in network.named_parameters() if p.requires_grad} == {"layer4"}
    before = {key: value.clone() for key, value in network.state_dict().items()}
    pictures = torch.randint(0, 256, (2, 2, 3, 32, 32), dtype=torch.uint8)
    stream(Raw(pictures), torch.ones(2, 2, dtype=torch.bool))
    moved = {key.split(".")[0] for key, value in network.state_dict().items() if not torch.equal(before[key], value)}
    assert moved == {"layer4"}
    assert stream.encoder.training
    assert not stream.eval().encoder.model.layer4.training


def test_noise_comes_from_the_bank_if_there_is_one():
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(40, 4, dtype=torch.bool)
    batch = ClipBatch(
        labels=torch.zeros(40, 1, dtype=torch.long),
        content={"frames": Features(torch.zeros(40, 4, 2)), "text": Raw(torch.zeros(40, 4, dtype=torch.long))},
        masks={"frames": mask, "text": mask},
    )
    bank = {"frames": torch.arange(1.0, 13.0).unsqueeze(1).expand(-1, 2)}
    corrupted, intact = corrupt(batch, Corruptions(dropout=0, swap=0, noise=1), generator, noise=bank)
    frames = corrupted.content["frames"].values
    noisy = frames[~intact[:, 0], :, 0]
    assert len(noisy)
    assert (noisy[:, 1:] - noisy[:, :-1]).remainder(12).eq(1).all()  # elements of one noisy clip stay together
    assert frames[intact[:, 0]].eq(0).all()
