"""Re-key: rows of a stream go, in blocks, to the partition where their table key lives. Pure: no clock, no I/O."""
