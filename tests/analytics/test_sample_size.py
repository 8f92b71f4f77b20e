"""How many contacts are needed, against the exact power of the test that they are for, and a simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from sendblue_data import contacts_needed, detectable_difference
from sendblue_data.errors import ConfigurationError

RATES = st.floats(0.005, 0.95)


def power_of(n, rate, other):
    """The share of comparisons that see the difference, from the distribution of the pooled z."""
    mean = (rate + other) / 2
    null, true = (
        math.sqrt(2 * mean * (1 - mean) / n),
        math.sqrt((rate * (1 - rate) + other * (1 - other)) / n),
    )
    return stats.norm.sf((stats.norm.isf(0.025) * null - abs(rate - other)) / true)


def test_well_known_numbers():
    # With 80% power, two-sided 5%, and no correction for continuity.
    assert contacts_needed(0.05, 0.10) == 435
    assert contacts_needed(0.60, 0.70) == contacts_needed(0.40, 0.30) == 356
    # Of none against all, half the squared quantile of the null hypothesis: 1.92.
    assert contacts_needed(0, 1) == 2
    assert detectable_difference(1, 0.0) is None
    assert detectable_difference(2, 0.0) == pytest.approx(0.9989798, abs=1e-7)
    assert detectable_difference(20, 0.0) == pytest.approx(0.3121385, abs=1e-7)
    # So many see the next float.
    assert detectable_difference(10**40, 0.5) == 2**-53


@given(RATES, RATES)
def test_so_many_have_the_power_and_one_less_has_not(rate, other):
    if abs(rate - other) > 0.005:
        n = contacts_needed(rate, other)
        assert n == contacts_needed(other, rate)
        assert power_of(n, rate, other) >= 0.8 - 1e-9
        assert n == 1 or power_of(n - 1, rate, other) < 0.8


@given(st.integers(20, 10**6), RATES)
def test_the_two_are_inverse(contacts, rate):
    rise = detectable_difference(contacts, rate)
    if rise is None:
        assert contacts_needed(rate, 1.0) > contacts
    else:
        assert contacts_needed(rate, rate + rise) <= contacts
        assert contacts_needed(rate, rate + rise * 0.999) >= contacts - max(1, contacts // 100)


def test_of_made_up_comparisons_four_in_five_see_it():
    n = contacts_needed(0.05, 0.08)
    random = np.random.default_rng(1)
    a, c = random.binomial(n, [[0.05], [0.08]], (2, 4_000)).astype(float)
    mean = (a + c) / 2 / n
    seen = np.abs(a - c) / n / np.sqrt(2 * mean * (1 - mean) / n) > stats.norm.isf(0.025)
    assert seen.mean() == pytest.approx(0.8, abs=0.025)


def test_what_can_not_be_answered_is_refused():
    with pytest.raises(ConfigurationError, match="rate and other are both 0.05"):
        contacts_needed(0.05, 0.05)
    for call, says in [
        (lambda: contacts_needed(5, 0.1), "rate is 5: expected a share"),
        (lambda: contacts_needed(1.5, 0.1), "rate is 1.5"),
        (lambda: detectable_difference(9, -0.1), "rate is -0.1"),
        (lambda: contacts_needed(0.1, "0.2"), "other is '0.2'"),
        (lambda: contacts_needed(0.1, 0.2, power=80), "power is 80"),
        (lambda: contacts_needed(0.1, 0.2, power=1.5), "power is 1.5"),
        (lambda: contacts_needed(0.1, 0.2, power=0), "power is 0"),
        (lambda: contacts_needed(0.1, 0.2, confidence=95), "confidence is 95"),
        (lambda: detectable_difference(0, 0.1), "contacts is 0: expected a whole number"),
    ]:
        with pytest.raises(ConfigurationError, match=says):
            call()
    assert detectable_difference(100, 1.0) is None
