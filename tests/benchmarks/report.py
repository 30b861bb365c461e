"""What the runs leave behind: `build/bench.json`, and tables and plots in `tests/benchmarks/README.md`.

Every benchmark contributes parts. A part is a table, a sentence or two, and perhaps a plot of that table; contributing
one replaces what an earlier run left under its name, and writes the README anew.
"""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.plots import Bars, Lines, draw

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "build" / "bench.json"
README, PLOTS = HERE / "README.md", HERE / "plots"
BEGIN, END = "<!-- results: written by the runs -->", "<!-- end of results -->"
ORDER = (
    "peers", "end_to_end", "windows", "formats", "compression", "stages", "latency", "saturation", "scale_partitions",
    "scale_workers", "cost_tables", "cost_aggregates", "cost_rules", "cost_keys", "restore", "failover", "memory",
    "soak",
)  # fmt: skip
"""Parts in the order of the README; others follow by name."""


@dataclass(frozen=True)
class Part:
    """One part of the report.

    Args:
        name: its key in `build/bench.json`; `[a-z0-9_]+`.
        title: heading in the README.
        about: what was run and how often, as Markdown.
        rows: the table: one dictionary per row, column name -> text, number or None (not measured).
        plot: a picture of the table.
    """

    name: str
    title: str
    about: str
    rows: list[dict[str, Any]]
    plot: Bars | Lines | None = None


def contribute(part: Part) -> None:
    """Add a part to the results, or replace it, and write the README anew."""
    results = read()
    found = {key: value for key, value in asdict(part).items() if key not in {"name", "plot"}}
    found["measured"] = {"at": time.strftime("%Y-%m-%d %H:%M"), "load": round(os.getloadavg()[0], 1)}
    if part.plot is not None:
        PLOTS.mkdir(exist_ok=True)
        (PLOTS / f"{part.name}.svg").write_text(draw(part.title, part.rows, part.plot))
        found["plot"] = f"plots/{part.name}.svg"
    results["machine"] = machine()
    results[part.name] = found
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    README.write_text(_readme(README.read_text(), results))


def worded(figures: dict[str, Any]) -> dict[str, Any]:
    """Return figures as a row of a table: their names are words."""
    return {name.replace("_", " "): value for name, value in figures.items()}


def read() -> dict[str, Any]:
    """Return what earlier runs left in `build/bench.json`."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


def machine() -> dict[str, Any]:
    """Say where the figures come from."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _readme(text: str, results: dict[str, Any]) -> str:
    """Return the README with parts between its two marks replaced; those that were not run here stay as they are."""
    where = results["machine"]
    hardware = f"{where['cpu']}, {where['cores']} cores, {where['memory_gib']} GiB"
    machine = f"Machine: {hardware}, {where['system']}, Python {where['python']}."
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    names = [name for name in results if name != "machine"]
    names.sort(key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    sections = _sections(old) | {results[name]["title"]: "\n".join(_section(results[name])) for name in names}
    return before + "\n".join([BEGIN, "", machine, "", *sections.values(), END]) + after


def _sections(text: str) -> dict[str, str]:
    """Return the sections of a text by their headings."""
    found = ["### " + part.rstrip() + "\n" for part in f"\n{text}".split("\n### ")[1:]]
    return {part.partition("\n")[0].removeprefix("### "): part for part in found}


def _section(part: dict[str, Any]) -> list[str]:
    measured = part["measured"]
    columns = list(part["rows"][0])
    numeric = [any(isinstance(row[name], int | float) for row in part["rows"]) for name in columns]
    lines = [f"### {part['title']}", "", part["about"], "", f"Measured {measured['at']}, load {measured['load']}.", ""]
    lines += ["| " + " | ".join(columns) + " |", "|" + "|".join("---:" if each else "---" for each in numeric) + "|"]
    lines += ["| " + " | ".join(_text(row[name]) for name in columns) + " |" for row in part["rows"]]
    if "plot" in part:
        lines += ["", f"![{part['title']}]({part['plot']})"]
    return [*lines, ""]


def _text(value: Any) -> str:
    """Return a cell of a table: three significant digits below 100, whole numbers above."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 100 else f"{value:.3g}"
