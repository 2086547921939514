"""What ``auto`` stands for: identities that hold for runs of any length, on any store, with any batch."""

from functools import partial

import pytest

from framegate.ssl.auto_settings import RunFacts, key_momentum, learning_rate, queue_size, weight_decay

run = partial(
    RunFacts,
    steps=1260,
    frames=4032,
    batch_size=32,
    symmetric=True,
    optimizer="adamw",
    starts_from_weights=False,
    has_tokens=False,
)


def highest(facts: RunFacts) -> float:
    return learning_rate(facts) * facts.batch_size / 256


def decay(facts: RunFacts) -> float:
    return weight_decay(facts, highest_lr=highest(facts))


def test_at_the_length_it_was_tuned_at_the_rule_gives_what_was_tuned():
    tuned = run()
    assert (learning_rate(tuned), decay(tuned)) == (0.012, 5.0)
    assert (queue_size(tuned), key_momentum(tuned, queue=1024)) == (1024, 0.98)


@pytest.mark.parametrize("batch_size", [32, 256, 1024])
@pytest.mark.parametrize("steps", [1260, 4440, 100_000])
def test_weights_fade_by_the_same_share_in_runs_of_any_length_and_batch(steps: int, batch_size: int):
    facts = run(steps=steps, batch_size=batch_size)
    assert highest(facts) * decay(facts) * steps == pytest.approx(9.45, rel=0.01)


def test_no_single_step_takes_more_than_a_hundredth_of_the_weights():
    assert max(highest(facts) * decay(facts) for facts in (run(steps=steps) for steps in (1, 10, 100, 900))) <= 0.01001


def test_good_weights_are_kept_and_random_ones_are_not():
    random, good = run(steps=250), run(steps=250, starts_from_weights=True)
    assert highest(good) == pytest.approx(highest(random) / 3, rel=0.01)
    assert highest(good) * decay(good) * 250 == pytest.approx(0.3, rel=0.01)


def test_adamws_rate_grows_with_the_root_of_the_batch_up_to_a_limit():
    assert highest(run(batch_size=128)) == pytest.approx(2 * highest(run(batch_size=32)), rel=0.01)
    assert highest(run(batch_size=4096)) == pytest.approx(highest(run(batch_size=2048)), rel=0.01)
    assert highest(run(has_tokens=True)) == pytest.approx(highest(run()) / 4, rel=0.01)


@pytest.mark.parametrize(("optimizer", "rate", "expected"), [("sgd", 0.03, 1e-4), ("lars", 0.3, 1e-6)])
def test_for_other_optimizers_the_rate_per_256_images_and_the_decay_hold_for_all(optimizer, rate, expected):
    for facts in (run(optimizer=optimizer), run(optimizer=optimizer, steps=9, batch_size=1024)):
        assert (learning_rate(facts), decay(facts)) == (rate, expected)


@pytest.mark.parametrize("frames", [64, 65, 127, 1000, 4032, 7110, 131_071])
def test_the_queue_holds_a_quarter_to_a_half_of_the_frames(frames: int):
    assert frames / 4 < queue_size(run(frames=frames)) <= frames / 2


def test_the_queue_is_bounded_and_never_less_than_a_batch():
    assert queue_size(run(frames=10**8)) == 65_536
    assert queue_size(run(frames=40)) == 32


@pytest.mark.parametrize("batch_size", [32, 64, 256])
def test_without_a_queue_the_key_encoder_averages_over_as_many_frames_at_any_batch(batch_size: int):
    assert batch_size / (1 - key_momentum(run(batch_size=batch_size), queue=None)) == pytest.approx(1600, rel=0.01)


@pytest.mark.parametrize(("queue", "symmetric"), [(8192, True), (65_536, True), (65_536, False)])
def test_the_key_encoder_averages_over_more_than_a_turn_of_a_long_queue(queue: int, symmetric: bool):
    facts = run(symmetric=symmetric)
    turn = queue / (32 * (2 if symmetric else 1))
    assert 1 / (1 - key_momentum(facts, queue=queue)) == pytest.approx(1.5 * turn, rel=0.1)
