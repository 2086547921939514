import numpy as np
import pytest

from framegate.media.evenly_spaced import evenly_spaced


@pytest.mark.parametrize(
    ("count", "at_most"), [(0, 3), (1, 3), (3, 3), (4, 3), (100, 7), (65, 64), (999_983, 64), (9, 1)]
)
def test_indices_rise_from_the_first_to_the_last_without_repetitions(count: int, at_most: int) -> None:
    for rounding in ("down", "nearest"):
        chosen = evenly_spaced(count, at_most, rounding=rounding)
        assert (chosen.dtype, len(chosen)) == (np.int64, min(count, at_most))
        assert (np.diff(chosen) > 0).all()
        assert (np.diff(chosen).max(initial=0) - np.diff(chosen).min(initial=count)) <= 1
        assert chosen.tolist()[:1] == [0] * min(count, 1)
        assert at_most == 1 or chosen.tolist()[-1:] == [count - 1] * min(count, 1)


def test_stores_and_runs_of_before_are_thinned_as_they_were() -> None:
    for count in (*range(1, 200), 4_096, 100_003):
        for at_most in (1, 2, 8, 12, 14, 16, 64, 512, 20_000):
            places = np.linspace(0, count - 1, min(at_most, count))
            assert np.array_equal(evenly_spaced(count, at_most), np.unique(places.astype(int)))
            assert np.array_equal(
                evenly_spaced(count, at_most, rounding="nearest"), np.unique(places.round().astype(int))
            )
    assert evenly_spaced(100, 7).tolist() == [0, 16, 33, 49, 66, 82, 99]
    assert evenly_spaced(100, 7, rounding="nearest").tolist() == [0, 16, 33, 50, 66, 82, 99]
