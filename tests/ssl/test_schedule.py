import math

import pytest

from framegate.ssl.schedule import CosineSchedule


def test_without_warm_up_it_is_half_a_cosine():
    schedule = CosineSchedule(base=0.3, total_steps=100)
    for step in range(100):
        assert schedule(step) == pytest.approx(0.3 * 0.5 * (1 + math.cos(math.pi * step / 100)))


def test_warm_up_rises_by_equal_steps_to_the_base():
    schedule = CosineSchedule(base=0.5, total_steps=50, warmup_steps=4)
    assert [schedule(step) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_after_the_warm_up_the_cosine_spans_what_is_left():
    schedule = CosineSchedule(base=1.0, total_steps=30, warmup_steps=10)
    assert schedule(20) == pytest.approx(0.5)
    rates = [schedule(step) for step in range(10, 31)]
    assert rates == sorted(rates, reverse=True)
    assert schedule(30) == schedule(35) == pytest.approx(0.0)


def test_a_training_that_is_all_warm_up_has_a_rate():
    schedule = CosineSchedule(base=1.0, total_steps=3, warmup_steps=3)
    assert [schedule(step) for step in range(3)] == pytest.approx([0.25, 0.5, 0.75])
