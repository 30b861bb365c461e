"""JSON Schema (draft 2020-12) of a declaration, for editors: made of the same keys that drive reading."""

from __future__ import annotations

from typing import Any

from streams.fields import FILE

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the schema; what only a check of the whole can tell (names that refer, expressions) is not in it."""
    return {"$schema": DRAFT, "title": "ops-streams declaration", **FILE.schema()}
