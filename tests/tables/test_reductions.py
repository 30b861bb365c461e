"""`tables.reductions`: the same as NumPy's own reductions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tables.reductions import every, greatest, least, some

NUMBERS = st.sampled_from([np.int32, np.int64, np.uint64, np.float64])


@given(arrays.arrays(NUMBERS, st.integers(1, 40)))
def test_extremes_are_those_of_numpy(values: np.ndarray[Any, Any]) -> None:
    """The least and the greatest are what NumPy's reductions find; where NaN is among the values, NaN."""
    np.testing.assert_equal(least(values), np.min(values))
    np.testing.assert_equal(greatest(values), np.max(values))


@given(arrays.arrays(np.bool_, st.integers(0, 40)))
def test_some_and_every_are_any_and_all(mask: np.ndarray[Any, Any]) -> None:
    """Whether some or all are true is what Python says of the list; of no values, none is and all are."""
    assert (some(mask), every(mask)) == (any(mask.tolist()), all(mask.tolist()))


@pytest.mark.parametrize("extreme", [least, greatest])
def test_nothing_has_no_extreme(extreme: Any) -> None:
    """No values have no least and no greatest."""
    with pytest.raises(ValueError, match="empty"):
        extreme(np.empty(0))
