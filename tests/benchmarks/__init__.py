"""Benchmarks: what `make bench` runs. Their code is tested (`test_smoke.py`), their figures never are."""
