"""Conditions: which rows of a window an alert is about. One file is one kind of condition."""
