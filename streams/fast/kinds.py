"""What the scan says of a field of a row: the numbers that the compiled loops and their caller share."""

from __future__ import annotations

UNSURE, NULL, INT, FLOAT, TEXT, TRUE, FALSE, FLOAT_TEXT = -1, 0, 1, 2, 3, 4, 5, 6
"""What a field of a row holds. `FLOAT_TEXT` is a float in its digits, as a text is given."""
LENGTH_BITS = 24
"""A text is its start above its length."""
MAX_ENTRIES = 62
"""Names, and objects that they are in, that can be looked for."""
