"""Benchmarks: what `make bench` runs. Never part of the tests: machines differ."""
