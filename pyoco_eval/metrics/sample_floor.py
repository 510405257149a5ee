"""Below a floor a score is refused: it would measure the sample size more than the videos.

Fréchet distances: N rows of D features have a covariance of rank N - 1, so up to N = D it is
singular and the distance is dominated by what was not sampled. Both sides need more than D rows.
Inception Score: every split needs at least two samples, for one alone always scores 1.
"""

from pyoco_eval.errors import PyocoEvalError

LABEL = "below-floor"
"""Value of the signature's `floor` key when a score was forced."""


class SmallSampleError(PyocoEvalError):
    """Too few samples for a meaningful score."""


def frechet_floor(dim: int) -> int:
    """Rows each side needs."""
    return dim + 1


def check_frechet_floor(
    num_generated: int, num_reference: int, dim: int, *, allow_small: bool
) -> str | None:
    """None above the floor; below it the signature label, if allowed.

    Raises:
        SmallSampleError: below the floor and not allowed.
    """
    floor = frechet_floor(dim)
    if min(num_generated, num_reference) >= floor:
        return None
    if allow_small:
        return LABEL
    raise SmallSampleError(
        f"{num_generated} generated and {num_reference} reference feature rows are too few: with "
        f"{dim} features each side needs at least {floor}, or its covariance is singular and the "
        "distance mostly measures what was not sampled. Give more videos (or --clip all), or "
        "pass --allow-small to print the number with the label floor:below-floor."
    )


def check_splits_floor(num_samples: int, num_splits: int, *, allow_small: bool) -> str | None:
    """None if every split has two samples or more; else the label, if allowed.

    Raises:
        SmallSampleError: below the floor and not allowed.
    """
    if num_samples >= 2 * num_splits:
        return None
    if allow_small:
        return LABEL
    raise SmallSampleError(
        f"{num_samples} samples in {num_splits} splits: every split needs at least two, for the "
        "Inception Score of one sample is always 1. Give more videos or fewer --splits, or pass "
        "--allow-small to print the number with the label floor:below-floor."
    )
