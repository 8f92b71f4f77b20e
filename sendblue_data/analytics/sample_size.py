"""How many contacts a comparison needs, and what so many can show.

For two groups of one size and Pearson's two-sided test: J. L. Fleiss, B. Levin and M. C. Paik (2003), Statistical
Methods for Rates and Proportions, 3rd ed., section 4.2, without their correction for continuity.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from sendblue_data._shared.validation import check_number, is_whole_from
from sendblue_data.analytics.rates import normal_quantile
from sendblue_data.errors import ConfigurationError

_HALVINGS = 60


def contacts_needed(rate: float, other: float, power: float = 0.8, *, confidence: float = 0.95) -> int:
    """Return how many contacts each of two groups needs, so that a difference of their opt-out rates is seen.

    Args:
        rate: opt-out rate of one group, between 0 and 1.
        other: that of the other, if the difference is as you think.
        power: share of such comparisons that see it.
        confidence: of the comparison: it sees a difference where p is below 1 - confidence.

    Returns:
        Contacts of known state in each group, rounded up.

    Raises:
        ConfigurationError: a rate, the power or the confidence isn't between 0 and 1, or the rates are the same.

    Example:
        >>> contacts_needed(0.05, 0.0635)
        4610
    """
    _check_rate("rate", rate)
    _check_rate("other", other)
    if rate == other:
        raise ConfigurationError(
            f"rate and other are both {rate}: no number of contacts shows a difference that isn't there."
        )
    return math.ceil(_needed(rate, other, normal_quantile(confidence), _power_quantile(power)))


def detectable_difference(
    contacts: int, rate: float, power: float = 0.8, *, confidence: float = 0.95
) -> float | None:
    """Return the smallest rise of an opt-out rate that two groups of so many contacts would show.

    Args:
        contacts: of known state, in each of the two groups.
        rate: opt-out rate of the lower group, between 0 and 1.
        power: share of such comparisons that see the rise.
        confidence: as in `contacts_needed`.

    Returns:
        The difference between the rates, as a share: 0.01 is one percentage point. None where even a rise to 1 would
        not be seen.

    Raises:
        ConfigurationError: `contacts` is no whole number from 1, or a share isn't between 0 and 1.

    Example:
        >>> round(detectable_difference(4_610, 0.05), 4)
        0.0135
        >>> detectable_difference(2, 0.5) is None
        True
    """
    check_number("contacts", contacts, is_whole_from(1), "a whole number of contacts, 1 or more")
    _check_rate("rate", rate)
    z, power_z = normal_quantile(confidence), _power_quantile(power)

    def is_seen(other: float) -> bool:
        return other > rate and _needed(rate, other, z, power_z) <= contacts

    if not is_seen(1.0):
        return None
    low, high = rate, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if is_seen(middle) else (middle, high)
    return high - rate


def _needed(rate: float, other: float, z: float, power_z: float) -> float:
    mean = (rate + other) / 2
    alike = math.sqrt(2 * mean * (1 - mean))
    apart = math.sqrt(rate * (1 - rate) + other * (1 - other))
    return ((z * alike + power_z * apart) / (rate - other)) ** 2


def _check_rate(name: str, rate: object) -> None:
    check_number(name, rate, lambda share: 0 <= share <= 1, "a share between 0 and 1, such as 0.05")


def _power_quantile(power: float) -> float:
    """Return the z that a comparison of such a power needs beyond its threshold: 0.84 for 0.8."""
    check_number("power", power, lambda share: 0 < share < 1, "a share between 0 and 1, such as 0.8")
    return NormalDist().inv_cdf(power)
