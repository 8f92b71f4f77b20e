"""In which of the orders that a history can give back the rows of a pull come, seen chunk after chunk."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from sendblue_data.history.state import ORDERS

_INT = np.iinfo(np.int64)
_Keys = npt.NDArray[np.int64]


class RowOrder:
    """Narrows down the orders that all rows so far keep."""

    def __init__(self) -> None:
        self._left = list(ORDERS)
        self._last: tuple[pl.Series, pl.Series] | None = None

    def add(self, created_at: pl.Series, numbers: pl.Series) -> None:
        """Look at the next rows of the pull: when each contact was created, and its number."""
        if self._last is not None:
            created_at, numbers = self._last[0].append(created_at), self._last[1].append(numbers)
        self._left = [order for order in self._left if _keeps(order, created_at, numbers)]
        self._last = created_at.tail(1), numbers.tail(1)

    @property
    def name(self) -> str:
        """The first of `ORDERS` that every row keeps, else the first of all."""
        return next(iter(self._left), ORDERS[0])


def _keeps(order: str, created_at: pl.Series, numbers: pl.Series) -> bool:
    """Tell whether rows come as `in_order` sorts them."""
    number = numbers.cast(pl.Int64).to_numpy()
    if order == "contact":
        return bool((number[1:] > number[:-1]).all())
    key = _keys(order, created_at)
    later = (key[1:] > key[:-1]) | ((key[1:] == key[:-1]) & (number[1:] > number[:-1]))
    return bool(later.all())


def _keys(order: str, created_at: pl.Series) -> _Keys:
    """Return numbers that ascend where rows keep the order."""
    moments = created_at.to_physical()
    keys = -moments if order.startswith("newest") else moments
    return keys.fill_null(_INT.max if order.endswith("last") else _INT.min).to_numpy()
