"""A network's scores as probabilities of its classes."""

from torch import Tensor


def class_probabilities(scores: Tensor) -> Tensor:
    """The probabilities of the classes, (B, L), in double precision: the softmax of the scores, (B, L).

    Of a network with a single output it is the sigmoid: the softmax of one score is 1, whatever the score.
    """
    return scores.double().sigmoid() if scores.shape[1] == 1 else scores.double().softmax(dim=1)
