"""What the runs leave behind: `build/bench.json`, and a table and a plot in `tests/benchmarks/README.md`."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "build" / "bench.json"
README, PLOT = HERE / "README.md", HERE / "rates.svg"
BEGIN, END = "<!-- results: written by `make bench` -->", "<!-- end of results -->"
BAR, GAP, LEFT, WIDTH = 18, 8, 220, 420


def record(name: str, figures: Any) -> dict[str, Any]:
    """Add figures to the results and return all of them."""
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results["machine"] = machine()
    results[name] = figures
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    return results


def machine() -> dict[str, Any]:
    """Say where the figures come from."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "system": platform.system(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def publish(results: dict[str, Any]) -> None:
    """Write the table of the end-to-end runs into the README, and the plot beside it."""
    rows = results["end_to_end"]
    where = results["machine"]
    hardware = f"{where['cpu']}, {where['cores']} cores, {where['memory_gib']} GiB"
    lines = [
        BEGIN,
        "",
        f"{where['date']}, {hardware}, load {where['load']}, Python {where['python']}; the worker has one core.",
        "",
        "| system | keys | events/s | CPU s per million | peak MiB | wrong cells |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        wrong = "not checked" if row["wrong"] is None else row["wrong"]
        lines.append(
            f"| {row['system']} | {row['keys']} | {row['events_per_second']:,} | {row['cpu_seconds_per_million']} "
            f"| {row['peak_mib']} | {wrong} |"
        )
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    README.write_text(
        before + "\n".join([*lines, "", "![events per second](rates.svg)", "", END]) + rest.partition(END)[2]
    )
    PLOT.write_text(plot([(f"{row['system']}, {row['keys']} keys", row["events_per_second"]) for row in rows]))


def plot(rows: list[tuple[str, float]]) -> str:
    """Return horizontal bars as SVG, their length by value."""
    most = max(value for _, value in rows)
    height = GAP + len(rows) * (BAR + GAP)
    bars = []
    for number, (name, value) in enumerate(rows):
        top, width = GAP + number * (BAR + GAP), max(1.0, value / most * WIDTH)
        middle = top + BAR - 5
        bars.append(
            f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{name}</text>'
            f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" fill="#3b6ea5"/>'
            f'<text x="{LEFT + width + 6:.1f}" y="{middle}">{value:,.0f}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 100}" height="{height}" '
        f'font-family="sans-serif" font-size="12">\n' + "\n".join(bars) + "\n</svg>\n"
    )
