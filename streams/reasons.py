"""Why a record went to the dead letters: the codes in the header `__streams.errors.exception`, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

EMPTY_VALUE: Final = "empty_value"
INVALID_UTF8: Final = "invalid_utf8"
INVALID_JSON: Final = "invalid_json"
NOT_AN_OBJECT: Final = "not_an_object"
TOO_DEEP: Final = "too_deep"
NOT_FINITE: Final = "not_finite"
NUMBER_OUT_OF_RANGE: Final = "number_out_of_range"
WRONG_TYPE: Final = "wrong_type"
NULL_KEY: Final = "null_key"
NOT_AN_ACCESS_LOG_LINE: Final = "not_an_access_log_line"
BAD_TIME: Final = "bad_time"
TIME_TOO_FAR_AHEAD: Final = "time_too_far_ahead"
TOO_MANY_KEYS: Final = "too_many_keys"
TOO_MANY_IDS: Final = "too_many_ids"
TOO_LARGE: Final = "too_large"
NO_BLOCK: Final = "no_block"
BATCH_TOO_LARGE: Final = "batch_too_large"

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        EMPTY_VALUE: "The record has no value (a tombstone), or a value without any byte.",
        INVALID_UTF8: "The value is not UTF-8 text.",
        INVALID_JSON: "The value is not JSON: malformed, cut off, with a byte order mark, or half a surrogate pair.",
        NOT_AN_OBJECT: "The value is JSON, but not an object, so that it has no fields.",
        TOO_DEEP: "Arrays or objects are nested too deeply (about 1,000 levels).",
        NOT_FINITE: "A number is NaN, infinite, or too large for a float (1e999).",
        NUMBER_OUT_OF_RANGE: "An integer in a used field does not fit in 64 bits.",
        WRONG_TYPE: "A used field holds another type than the declaration needs.",
        NULL_KEY: "A key field is missing or null.",
        NOT_AN_ACCESS_LOG_LINE: "The line is not in the combined access log format.",
        BAD_TIME: "Event time is missing, not a time, not after 1970-01-01, or after the year 9999.",
        TIME_TOO_FAR_AHEAD: "Event time is later than the Kafka timestamp by more than the stream's `max_ahead`.",
        TOO_MANY_KEYS: "The key is new and the table partition already holds `max_keys` keys.",
        TOO_MANY_IDS: "The id is new and the table partition already remembers `max_ids` ids.",
        TOO_LARGE: "What the record would make of the state does not fit in one changelog record.",
        BATCH_TOO_LARGE: "A compressed record batch holds more than `max.batch.bytes`; one letter stands for it.",
        NO_BLOCK: "A record of a repartition topic is no block of rows that this app made for this table.",
    },
)
"""Every reason code with one sentence for people."""
