"""Raw elements and features are told apart by their type, whatever their shapes."""

import pytest
import torch
from torch import Tensor, nn

from framegate.finetune.data.batch import ClipBatch, ClipSample, Features, Raw, collate
from framegate.finetune.streams.streams import Aggregation, SetStream


class Doubling(nn.Module):
    """An encoder whose features are as long as the elements that it reads."""

    dim = 8

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def test_features_shaped_like_their_elements_are_not_encoded_again() -> None:
    stream = SetStream(Doubling(), 8, aggregation=Aggregation(), train="frozen").eval()
    values, mask = torch.randn(2, 3, 8), torch.ones(2, 3, dtype=torch.bool)
    assert torch.equal(stream.features(Features(values), mask), values)
    assert torch.equal(stream.features(Raw(values), mask), 2 * values)


def test_raw_elements_and_features_of_one_modality_share_no_batch() -> None:
    raw, features = (ClipSample(content={"audio": kind(torch.zeros(2, 8))}) for kind in (Raw, Features))
    with pytest.raises(ValueError, match=r"^audio: some samples of a batch hold raw elements, and some features$"):
        collate([raw, features])


def test_what_a_clip_lacks_is_a_row_without_a_real_element() -> None:
    text, frames = Raw(torch.tensor([5, 6])), Features(torch.ones(1, 4))
    batch = collate(
        [ClipSample(content={"text": text}), ClipSample(content={"text": Raw(text.values[:1]), "frames": frames})]
    )
    assert batch.present.tolist() == [[False, False, True], [True, False, True]]
    assert list(batch.content) == ["frames", "text"]
    assert batch.masks["text"].tolist() == [[True, True], [True, False]]
    assert isinstance(batch.content["frames"], Features)


def test_content_without_a_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="content of text, and masks of "):
        ClipBatch(labels=torch.zeros(1, 1), content={"text": Raw(torch.zeros(1, 2))})
