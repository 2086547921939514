"""What a student learns from a teacher's similarities: two softmaxes over the same keys become equal."""

import torch
from torch import Tensor

from framegate.ssl.losses.info_nce import Rows, log_sum_exp


def similarity_kl(
    student: Rows,
    teacher: Tensor,
    batch: Rows,
    queue: Rows | None = None,
    *,
    temperature: float,
    teacher_temperature: float,
) -> Tensor:
    """Return the divergence KL(p ‖ q) of a student's similarities q to keys from its teacher's p.

    p and q are softmaxes over the same keys: the teacher's own feature of the picture, and its features of other
    sources, in the batch and in a queue (SEED: Fang et al. 2021, §3.2). Other rows of the picture's source are left
    out, as in `info_nce`: nearly equal ones would take all of p.

    >>> rows = Rows(torch.eye(3, 8), torch.tensor([0, 1, 2]))
    >>> similarity_kl(rows, rows.vectors, rows, temperature=0.1, teacher_temperature=0.1).item()
    0.0

    Args:
        student: B unit rows, with gradient, of the teacher's width.
        teacher: (B, dim) unit rows, the teacher's features of the same pictures.
        batch: (N, dim) the teacher's rows of the batch, of all processes; those in ``teacher`` may be among them.
        queue: (K, dim) earlier rows of the teacher; they are not copied.
        temperature: τ of q, above 0.
        teacher_temperature: τ of p, above 0; a lower one than the student's sharpens what it is to learn.

    Returns:
        The mean over the batch, a scalar, 0 where both are equal. A row without other keys contributes zero.
    """
    with torch.autocast(teacher.device.type, enabled=False):  # half precision is too coarse to be divided by τ
        own = student.vectors / temperature
        student_total = log_sum_exp(Rows(own, student.sources), (own * teacher).sum(dim=1), batch, queue)
        with torch.enable_grad():
            target = (teacher.detach() / teacher_temperature).requires_grad_()
            positive = (target * teacher.detach()).sum(dim=1)
            total = log_sum_exp(Rows(target, student.sources), positive, batch, queue)
            # The gradient of a log-sum-exp is the mean of the keys under its softmax. With this mean key, Σ p log q
            # needs no matrix of probabilities: it is linear in the similarities.
            (mean_key,) = torch.autograd.grad(total.sum(), target)
        cross_entropy = student_total - (own * mean_key).sum(dim=1)
        entropy = total.detach() - (target.detach() * mean_key).sum(dim=1)
        return (cross_entropy - entropy).mean()
