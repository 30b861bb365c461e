"""The expression language: compiled once, evaluated on arrays. See `deploy/docs/expressions.md`."""

from __future__ import annotations

from streams.expr.calls import OF_TYPES, call
from streams.expr.errors import ExpressionError
from streams.expr.expression import Expression, compile  # noqa: A004 - the language's own word

__all__ = ["OF_TYPES", "Expression", "ExpressionError", "call", "compile"]
