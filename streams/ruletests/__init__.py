"""Tests of rules that stand in a declaration or beside it: `streams test FILE...`. No broker; the Harness runs them."""
