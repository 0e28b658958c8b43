"""Sums by number, the one operation that everything here is made of."""

import numpy as np
import numpy.typing as npt

from crashes.regressions.fleet import Floats, Ints


def sum_by(number: Ints, value: Floats, size: int) -> Floats:
    """The sum of the values of each number from 0 to `size`; 0 where there are none."""
    return np.bincount(number, value, minlength=size).astype(np.float64, copy=False)


def divide(top: npt.ArrayLike, bottom: npt.ArrayLike, *, otherwise: float) -> Floats:
    """Element by element, with an answer where the bottom is 0."""
    above, below = np.broadcast_arrays(np.asarray(top, float), np.asarray(bottom, float))
    answer = np.full(above.shape, otherwise)
    np.divide(above, below, out=answer, where=below > 0)
    return answer


def robust_deviation(value: Floats) -> float:
    """A standard deviation that outliers do not move: the median deviation, scaled (Hampel 1974)."""
    return 1.4826 * float(np.median(np.abs(value - np.median(value)))) if len(value) else 0.0
