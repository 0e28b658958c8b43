"""Counts of cells made safe to give away: thresholded Laplace noise, drawn by OpenDP.

Each device is in at most three cells of a release. Noise of scale 3 and a threshold of 60 then make a
release (1, 3.6e-9)-differentially private for a device and a week: whoever sees it learns next to
nothing about whether any one phone is in it, whatever else they know. The threshold is what hides
small cells; one more cut on the true counts would break the proof. Dwork and Roth 2014, 3.3 and 7;
the privacy map is OpenDP's, which also draws noise that floating point does not betray.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

MOST_CELLS = 3
SCALE = 3.0
THRESHOLD = 60
ROUNDED_TO = 5
"""Rounding comes after the noise and costs nothing: it only keeps people from reading too much."""


class SharingUnavailable(Exception):
    """OpenDP is not installed: `pip install uxp_diag[sharing]`."""


@cache
def _mechanism() -> Callable[[dict[str, int]], dict[str, int]]:
    try:
        dp: Any = import_module("opendp.prelude")  # large: only who releases loads it
    except ImportError:
        raise SharingUnavailable(
            "Sharing with developers needs OpenDP: install the extra [sharing]."
        ) from None
    dp.enable_features("contrib")
    made: Any = dp.m.make_laplace_threshold(
        dp.map_domain(dp.atom_domain(T="String"), dp.atom_domain(T=int)),
        dp.l01inf_distance(dp.absolute_distance(T=int)),
        scale=SCALE,
        threshold=THRESHOLD,
    )
    return made  # type: ignore[no-any-return]


def privacy_loss() -> tuple[float, float]:
    """Epsilon and delta of one release, from OpenDP's own map."""
    made: Any = _mechanism()
    epsilon, delta = made.map((MOST_CELLS, MOST_CELLS, 1))
    return float(epsilon), float(delta)


def release(counts: Mapping[str, int]) -> dict[str, int]:
    """Noisy, rounded counts of the cells that are large enough to be told.

    `counts` are distinct devices by cell, each device in at most `MOST_CELLS` of them. Every call
    draws anew and costs `privacy_loss` again: keep what it gives.
    """
    drawn = _mechanism()(dict(counts)) if counts else {}
    return {cell: max(ROUNDED_TO * round(value / ROUNDED_TO), 0) for cell, value in drawn.items()}
