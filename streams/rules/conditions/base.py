"""What a condition is: a mask over the rows of one window, evaluated on whole columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tables.columns import Column

if TYPE_CHECKING:
    from streams.codecs.base import FieldType


class Condition(ABC):
    """A condition, ready to be evaluated."""

    @property
    @abstractmethod
    def uses(self) -> Mapping[str, FieldType]:
        """The columns and key fields that it reads, and what each must be."""

    @abstractmethod
    def holds(self, columns: Mapping[str, Column], n: int) -> NDArray[np.bool_]:
        """Return for each of n rows whether the condition holds; null does not hold."""

    @abstractmethod
    def values(self, columns: Mapping[str, Column], n: int) -> list[Any]:
        """Return for each of n rows what `$value` is; None where there is nothing to show."""
