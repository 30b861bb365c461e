"""What a codec is: many record values in, columns out, and the bad rows told apart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from tables.columns import Column

FieldType = Literal["number", "text", "bool", "key", "time", "any"]
"""What a declaration needs a field to be: a number; text; true or false; part of a key (text or number); event time
(text or number); or anything."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be decoded: its index in the batch, a reason code and a sentence for people."""

    index: int
    reason: str
    message: str


@dataclass(slots=True)
class Decoded:
    """What a codec made of n record values.

    Args:
        columns: the asked fields, each over the good rows only.
        good: shape (g,), the indices (0..n-1, rising) of the good rows; None if all n are good.
        bad: the others.
    """

    columns: dict[str, Column]
    good: NDArray[np.intp] | None = None
    bad: list[BadRow] = field(default_factory=list)


class Decoder(ABC):
    """A codec made ready for the fields that one declaration uses."""

    @abstractmethod
    def decode(self, values: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None) -> Decoded:
        """Decode record values (and keys, where `wants_keys`) to columns; never raises for what a record holds."""

    wants_keys: ClassVar[bool] = False


class Codec(ABC):
    """One format of record values. One file a codec; found by the registry."""

    name: ClassVar[str]
    fields: ClassVar[Mapping[str, FieldType] | None] = None
    """The fields that the format has, with their types; None if any name may be asked for."""
    time_field: ClassVar[str | None] = None

    @abstractmethod
    def compile(self, fields: Mapping[str, FieldType]) -> Decoder:
        """Return a decoder for these fields (dotted paths where the format nests)."""

    @abstractmethod
    def encode(self, values: Mapping[str, Any]) -> bytes:
        """Return the record value that decodes to `values` (for tests and the Harness)."""
