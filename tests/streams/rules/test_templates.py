"""Templates of labels and annotations."""

from __future__ import annotations

import math
import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.expr import ExpressionError
from streams.rules import templates
from streams.rules.templates import MAX_BYTES, humanize, humanize_duration, humanize_percentage, show


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.0, "1"), (1234567.0, "1.235M"), (0.12, "120m"), (-1.0, "-1"), (float(2**63), "9.223E"),
     (999.0, "999"), (1000.0, "1k"), (999999.0, "1000k"), (1e30, "1e+06Y"), (1e-30, "1e-06y"), (-0.0025, "-2.5m"),
     (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN")],
)  # fmt: skip
def test_humanize(value: float, text: str) -> None:
    """`humanize` gives what Prometheus' own tests and its algorithm give."""
    assert humanize(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0s"), (1.0, "1s"), (60.0, "1m 0s"), (3600.0, "1h 0m 0s"), (86400.0, "1d 0h 0m 0s"),
     (90000.0, "1d 1h 0m 0s"), (-183845.0, "-2d 3h 4m 5s"), (899.99, "14m 59s"), (0.1, "100ms"), (0.0001, "100us"),
     (0.12345, "123.5ms"), (60.5, "1m 0s"), (1.2345, "1.234s"), (12.345, "12.35s"), (-1.0, "-1s"),
     (1234567.0, "14d 6h 56m 7s"), (math.inf, "+Inf"), (math.nan, "NaN")],
)  # fmt: skip
def test_humanize_duration(value: float, text: str) -> None:
    """`humanizeDuration` gives what Prometheus' own tests give."""
    assert humanize_duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.22222, "-22.22%"), (0.0, "0%"), (0.1234567, "12.35%"), (1.23456, "123.5%"), (1234567.0, "1.235e+08%")],
)
def test_humanize_percentage(value: float, text: str) -> None:
    """`humanizePercentage` gives what Prometheus' own tests give."""
    assert humanize_percentage(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(5, "5"), (12345678, "12345678"), (5.0, "5"), (0.1, "0.1"), (100000.0, "100000"), (999999.0, "999999"),
     (1e6, "1e+06"), (1234567.0, "1.234567e+06"), (123456.789, "123456.789"), (0.0001, "0.0001"), (0.00001, "1e-05"),
     (-2.5e-7, "-2.5e-07"), (1e300, "1e+300"), (-0.0, "-0"), (True, "true"), (False, "false"), (None, "null"),
     ("text", "text"), (math.inf, "+Inf"), (math.nan, "NaN")],
)  # fmt: skip
def test_values_are_shown_as_go_prints_them(value: object, text: str) -> None:
    """Floats are shown as Go's `%v` prints a float64, integers in full, null as `null`."""
    assert show(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_shown_float_reads_back(value: float) -> None:
    """The shown digits read back as the same double, and none of them is spare."""
    text = show(value)
    assert struct.pack("<d", float(text)) == struct.pack("<d", value)
    assert len(Decimal(text).normalize().as_tuple().digits) <= 17
    assert ("e" in text) == (value != 0 and not 1e-4 <= abs(value) < 1e6)


def test_rendering() -> None:
    """Labels, `$value`, columns and key fields are put in, through a function in either form."""
    text = "{{ $labels.host }}: {{errors}} of {{ requests }} ({{ $value | humanizePercentage }}, {{ humanize p95 }}) }}"
    template = templates.compile(text, ["host"], ["errors", "requests", "p95"])
    shown = template.render({"host": "web-1"}, 0.0512, {"errors": 5, "requests": 98, "p95": None})
    assert shown == "web-1: 5 of 98 (5.12%, null) }}"
    assert template.columns == {"errors", "requests", "p95"}


def test_functions_of_what_is_no_number() -> None:
    """A text that is a number is taken as one, as in Prometheus; any other value is shown as it is."""
    template = templates.compile("{{ a | humanize }}")
    shown = [template.render({}, None, {"a": value}) for value in ("2500", "x", "nan", True, None)]
    assert shown == ["2.5k", "x", "nan", "true", "null"]


def test_values_are_data() -> None:
    """What a label or column holds is not read as a template."""
    template = templates.compile("{{ $labels.a }} {{ b }}")
    assert template.render({"a": "{{ b }}"}, None, {"b": "{{ $value }}"}) == "{{ b }} {{ $value }}"


def test_size_is_bounded() -> None:
    """A text is cut at 8 KiB of UTF-8, never within a character, and is always valid UTF-8."""
    template = templates.compile("a{{ x }}")
    cut = template.render({}, None, {"x": "é" * MAX_BYTES})
    assert cut == "a" + "é" * ((MAX_BYTES - 1) // 2)
    assert template.render({}, None, {"x": "\ud800"}) == "a?"


def test_templates_are_equal_by_their_text() -> None:
    """Two templates of one text are equal."""
    assert templates.compile("{{ a }}") == templates.compile("{{ a }}", None, ["a"])


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("a {{ b", 3, "`{{` has no closing `}}`"),
        ("{{ $labels.hots }}", 4, "there is no label `hots`; did you mean `host`?"),
        ("{{ erors }}", 4, "there is no column `erors`; did you mean `errors`?"),
        ("{{ $valu }}", 4, "unknown variable `$valu`"),
        ("{{ $labels }}", 4, "name one label"),
        ("{{ .Labels.host }}", 4, "write `$labels.host`"),
        ("{{ .Value }}", 4, "write `$value`"),
        ("x {{ errors | humanise }}", 15, "unknown function `humanise`; did you mean `humanize`?"),
        ("{{ toUpper errors }}", 4, "unknown function `toUpper`"),
        ("{{ errors | humanize | humanize }}", 3, "is not what a template holds"),
        ("{{ }}", 3, "is not what a template holds"),
        ("{{ 5 }}", 4, "`5` is neither a column nor `$value` nor `$labels.name`"),
    ],
)
def test_what_is_refused(text: str, column: int, message: str) -> None:
    """A mistake is told at its column, with the nearest name."""
    with pytest.raises(ExpressionError) as caught:
        templates.compile(text, ["host"], ["errors"])
    assert caught.value.column == column
    assert message in caught.value.message


def test_no_value_without_a_comparison() -> None:
    """`$value` is refused where the alert's condition compares nothing."""
    with pytest.raises(ExpressionError, match=r"there is no `\$value`"):
        templates.compile("{{ $value }}", value=False)


@given(st.text(alphabet="{}$|. ahumnizelvb-", max_size=30))
def test_any_text_is_a_template_or_an_error_with_a_place(text: str) -> None:
    """Whatever is written, the outcome is a template that renders or one error whose column lies in the text."""
    found: templates.Template | ExpressionError
    try:
        found = templates.compile(text)
    except ExpressionError as error:
        found = error
    if isinstance(found, ExpressionError):
        assert 1 <= found.column <= len(text) + 1
    else:
        assert found.render({}, None, {}).count("{{") == 0
