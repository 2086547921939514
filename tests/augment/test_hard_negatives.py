import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from framegate.augment.hard_negatives import beside_same_look, fingerprint, look_numbers
from framegate.media.clip_layout import Layout

LOGO = Layout(logos=((0.8, 0.05, 0.9, 0.15, 0.9),))
NEARLY = Layout(logos=((0.802, 0.051, 0.901, 0.149, 0.7),))
BARS = Layout(borders=(0.0, 0.12, 1.0, 0.88))


def test_looks_are_programmes_of_several_sources_or_else_layouts():
    looks = look_numbers(
        programmes=["news", "news", "show", "film", "solo", "other"],
        sources=["a", "b", "c", "d", "e", "f"],
        layouts=[Layout(), BARS, LOGO, NEARLY, Layout(), BARS],
    )
    assert looks[0] == looks[1] >= 0  # one programme
    assert looks[2] == looks[3] >= 0 and looks[2] != looks[0]  # one layout
    assert looks[4] == -1 and looks[5] == -1  # nothing found; the other with bars goes by its programme
    assert look_numbers(["p", "p"], ["a", "a"], [LOGO, LOGO]).tolist() == [
        -1,
        -1,
    ]  # one source has no one to stand beside


def test_fingerprints_tell_layouts_apart():
    assert fingerprint(Layout()) is None
    assert fingerprint(LOGO) == fingerprint(NEARLY)
    assert len({fingerprint(LOGO), fingerprint(BARS), fingerprint(Layout(logos=((0.1, 0.05, 0.2, 0.15, 0.9),)))}) == 3


@settings(max_examples=60, deadline=None)
@given(
    looks=st.lists(st.integers(-1, 3), max_size=80),
    seed=st.integers(0, 2**31),
    share=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_every_anchor_still_comes_once(looks, seed, share):
    order = np.random.default_rng(seed).permutation(len(looks))
    moved = beside_same_look(order, np.array(looks, np.int64), rng=np.random.default_rng(seed), share=share)
    assert sorted(moved.tolist()) == list(range(len(looks)))
    assert share > 0 or np.array_equal(moved, order)


def test_groups_stand_where_their_first_anchor_stood():
    looks = np.array([0, -1, 1, 0, -1, 1, 0, 1, 0])
    order = np.arange(9)
    moved = beside_same_look(order, looks, rng=np.random.default_rng(0), share=1.0, group_size=2)
    assert moved.tolist() == [0, 3, 1, 2, 5, 4, 6, 8, 7]


def test_batches_hold_several_sources_of_one_look():
    looks = np.repeat(np.arange(200), 4)  # two hundred looks, two sources each, two anchors a source
    sources = np.repeat(np.arange(400), 2)
    spread = np.random.default_rng(0).permutation(400)  # each source once in each half of the epoch
    order = np.concatenate([2 * spread, 2 * spread[::-1] + 1])

    def partners(share: float) -> float:
        """Anchors with another source of their look in the batch."""
        moved = beside_same_look(order, looks, rng=np.random.default_rng(1), group_size=2, share=share)
        found = 0
        for batch in moved.reshape(-1, 32):
            same_look = looks[batch][:, None] == looks[batch]
            other_source = sources[batch][:, None] != sources[batch]
            found += (same_look & other_source).any(axis=1).sum()
        return found / len(moved)

    assert partners(0.0) < 0.15
    assert partners(1.0) > 0.8
