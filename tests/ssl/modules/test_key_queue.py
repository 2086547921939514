import torch

from framegate.ssl.modules.key_queue import EMPTY, KeyQueue


def keys_named(*names: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A key and a source for each name, both telling which one it is."""
    sources = torch.tensor(names)
    return torch.stack([sources, -sources], dim=1).float(), sources


def test_a_new_queue_is_empty():
    queue = KeyQueue(5, 2)
    assert queue.size == 5
    assert queue.sources.tolist() == [EMPTY] * 5
    assert not queue.keys.any()


def test_keys_and_sources_stay_together():
    queue = KeyQueue(4, 2)
    queue.push(*keys_named(3, 1))
    assert queue.sources.tolist() == [3, 1, EMPTY, EMPTY]
    assert torch.equal(queue.keys[:2], keys_named(3, 1)[0])


def test_a_size_that_is_no_multiple_of_the_batch_wraps_around():
    queue = KeyQueue(5, 2)
    for batch in ([0, 1], [2, 3], [4, 5], [6, 7]):
        queue.push(*keys_named(*batch))
    assert queue.sources.tolist() == [5, 6, 7, 3, 4]
    assert torch.equal(queue.keys, keys_named(5, 6, 7, 3, 4)[0])


def test_the_queue_always_holds_the_newest_keys():
    queue = KeyQueue(7, 2)
    pushed: list[int] = []
    for count in (3, 7, 1, 9, 2, 20, 6):
        batch = range(len(pushed), len(pushed) + count)
        queue.push(*keys_named(*batch))
        pushed += batch
        held = sorted(source for source in queue.sources.tolist() if source != EMPTY)
        assert held == pushed[-7:]


def test_a_batch_larger_than_the_queue_leaves_its_last_keys():
    queue = KeyQueue(3, 2)
    queue.push(*keys_named(0, 1, 2, 3, 4))
    assert sorted(queue.sources.tolist()) == [2, 3, 4]


def test_a_restored_queue_goes_on_where_it_was():
    queue, restored = KeyQueue(5, 2), KeyQueue(5, 2)
    queue.push(*keys_named(0, 1, 2))
    restored.load_state_dict(queue.state_dict(), strict=True)
    for one in (queue, restored):
        one.push(*keys_named(3, 4, 5))
    assert restored.sources.tolist() == queue.sources.tolist() == [5, 1, 2, 3, 4]
    assert torch.equal(restored.keys, queue.keys)


def test_pushed_keys_carry_no_gradient():
    queue = KeyQueue(3, 2)
    keys, sources = keys_named(0, 1)
    queue.push(keys.requires_grad_(), sources)
    assert not queue.keys.requires_grad
