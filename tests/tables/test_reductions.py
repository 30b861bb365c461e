"""`tables.reductions`: the same as NumPy's own reductions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tables.reductions import every, greatest, least, some, summed

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


@given(
    arrays.arrays(st.sampled_from([np.int32, np.int64]), st.integers(0, 40), elements=st.integers(-(2**31), 2**31 - 1))
)
def test_a_sum_is_that_of_python(values: np.ndarray[Any, Any]) -> None:
    """The sum is what Python adds up, also where it does not fit the width of its terms; of no values, it is 0."""
    assert summed(values) == sum(values.tolist())


@pytest.mark.parametrize("extreme", [least, greatest])
def test_nothing_has_no_extreme(extreme: Any) -> None:
    """No values have no least and no greatest."""
    with pytest.raises(ValueError, match="empty"):
        extreme(np.empty(0))
