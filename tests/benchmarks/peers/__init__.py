"""Other systems at the same work."""
