"""The parts of a fleet in which a release is judged: all of it, each model, each OS, each of both.

The budget of false alarms is shared among them: 40 % for the whole fleet, the rest by size, so that
a slice of many devices is watched more closely than one of few, but not in proportion.
"""

from dataclasses import dataclass

import numpy as np

from crashes.regressions.fleet import Devices, Floats, Ints

_WHOLE_FLEET = 0.4
_SIZE_POWER = 0.75


@dataclass(frozen=True, slots=True)
class Slice:
    """A model, an OS, both, or (neither) the whole fleet, by their numbers."""

    model: int | None
    os: int | None


@dataclass(frozen=True, slots=True)
class Slices:
    """All slices of a fleet, each with its part of the budget.

    `holds[s, p]` is 1 where slice s holds pair p, so `holds @ by_pair` sums a quantity up.
    """

    names: tuple[Slice, ...]
    budget: Floats
    holds: Floats
    pair_of_device: Ints


def slice_fleet(devices: Devices, *, active: Ints) -> Slices:
    """The slices of a fleet, weighed by the devices that were `active` before the release.

    `active` has one entry per row, so that a device counts as often as it uploads.
    """
    models, oses = int(devices.model.max(initial=0)) + 1, int(devices.os.max(initial=0)) + 1
    pair_of_device = devices.model * oses + devices.os
    share = np.bincount(pair_of_device[active], minlength=models * oses) / max(1, len(active))
    model, os = np.divmod(np.arange(models * oses), oses)
    names = [Slice(None, None)]
    holds = [np.ones(models * oses)]
    for number in range(models):
        names.append(Slice(number, None))
        holds.append((model == number).astype(float))
    for number in range(oses):
        names.append(Slice(None, number))
        holds.append((os == number).astype(float))
    for pair in np.flatnonzero(share):
        of_model = share[model == model[pair]]
        if np.count_nonzero(of_model) > 1:  # else it is the same as its model
            names.append(Slice(int(model[pair]), int(os[pair])))
            holds.append((np.arange(models * oses) == pair).astype(float))
    matrix = np.stack(holds)
    return Slices(tuple(names), _budget(matrix @ share), matrix, pair_of_device)


def _budget(share: Floats) -> Floats:
    weight = np.maximum(share, 0.0) ** _SIZE_POWER
    weight[0] = 0.0
    weight *= (1 - _WHOLE_FLEET) / max(float(weight.sum()), 1e-12)
    weight[0] = _WHOLE_FLEET
    return weight
