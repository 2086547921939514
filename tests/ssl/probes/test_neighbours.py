import torch

from framegate.ssl.probes.neighbours import nearest_of_other_sources
from tests.ssl.tiny_backbone import unit_rows


def test_a_frames_own_source_is_not_shown_beside_it() -> None:
    features, sources = unit_rows(40), torch.arange(40) // 4
    rows, cosines = nearest_of_other_sources(3 * features, sources, torch.arange(0, 40, 8), k=5)
    similarity = features @ features.T
    for query, near, found in zip(range(0, 40, 8), rows.tolist(), cosines, strict=True):
        others = [row for row in range(40) if row // 4 != query // 4]
        expected = sorted(others, key=lambda row: -similarity[query, row].item())[:5]
        assert near == expected
        torch.testing.assert_close(found, similarity[query, expected].float())


def test_places_without_a_frame_of_another_source_stay_empty() -> None:
    rows, _ = nearest_of_other_sources(unit_rows(4), torch.tensor([0, 0, 0, 1]), torch.tensor([0, 3]), k=9)
    assert rows[0].tolist() == [3, -1, -1, -1]
    assert sorted(rows[1].tolist()) == [-1, 0, 1, 2]
