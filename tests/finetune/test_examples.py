"""Examples in docstrings are run."""

import doctest
from types import ModuleType

import pytest

from framegate.finetune.data import batch
from framegate.finetune.evaluation import metrics
from framegate.finetune.taxonomy import hierarchy, taxonomy


@pytest.mark.parametrize("module", [batch, metrics, hierarchy, taxonomy], ids=lambda module: module.__name__)
def test_the_examples_in_docstrings_are_true(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
