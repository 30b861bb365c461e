"""The benchmarks' own code on a few thousand events: figures are measured, results checked, reports written."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from tests.benchmarks import report, stages
from tests.benchmarks.brokers import embedded
from tests.benchmarks.end_to_end import loaded, measure, run_faust
from tests.benchmarks.peers.results import faust_cells
from tests.benchmarks.plots import Bars, Lines, draw
from tests.benchmarks.verify import wrong_cells
from tests.benchmarks.workload import Workload

EVENTS = 3_000


@pytest.mark.embedded
def test_worker_and_stock_faust_give_what_numpy_expects() -> None:
    """A worker of ours and stock Faust fold the same topic; both results are equal to the recount."""
    workload = Workload.make(EVENTS, 50)
    with embedded() as bootstrap:
        loaded(bootstrap, workload)
        (figures,) = measure(bootstrap, workload)
        assert figures.wrong == 0
        assert figures.rate > 0
        assert figures.spent.peak_mib > 10
        assert run_faust(bootstrap, "stock", EVENTS).cpu_seconds > 0
        assert wrong_cells(faust_cells(bootstrap, "stock"), workload.expected) == 0


def test_each_stage_sees_every_event() -> None:
    """Stages are measured over several answers, all events of them: `measure` refuses if some are lost."""
    found = stages.measure(Workload.make(60_000, 50))
    assert set(found) >= {"checksum", "records", "decode", "fold and encode", "changelog batch", "store"}
    assert all(0 < each < 100 for each in found.values())


@pytest.mark.parametrize("path", sorted(report.HERE.glob("bench_*.py")), ids=lambda path: path.stem)
def test_each_benchmark_tells_its_options(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file that `make bench` runs can be imported, and says what it measures and what can be chosen."""
    module = importlib.import_module(f"tests.benchmarks.{path.stem}")
    monkeypatch.setattr("sys.argv", [path.name, "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0
    assert "make bench" in capsys.readouterr().out


def test_a_wrong_table_is_found() -> None:
    """One cell that is changed, missing, or too many is one wrong cell."""
    expected = Workload.make(EVENTS, 50).expected
    key, (count, total, least, most) = next(iter(expected.items()))
    assert wrong_cells(dict(expected), expected) == 0
    for changed in ((count + 1, total, least, most), (count, total + 0.01, least, most), (count, total, 0.0, most)):
        assert wrong_cells({**expected, key: changed}, expected) == 1
    assert wrong_cells({each: row for each, row in expected.items() if each != key}, expected) == 1
    assert wrong_cells({**expected, (b"nobody", 0): (1, 1.0, 1.0, 1.0)}, expected) == 1


def test_a_part_replaces_what_an_earlier_run_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The README holds each part once, the JSON all of them, and the plot lies beside."""
    monkeypatch.setattr(report, "RESULTS", tmp_path / "build" / "bench.json")
    monkeypatch.setattr(report, "README", tmp_path / "README.md")
    monkeypatch.setattr(report, "PLOTS", tmp_path / "plots")
    report.README.write_text(f"# Before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n")
    for rate in (1.0, 2.5):
        rows = [{"system": "a", "events/s": rate}, {"system": "b", "events/s": None}]
        report.contribute(report.Part("peers", "Peers", "Some words.", rows))
    lines = [{"x": 1, "cost": 1.0}, {"x": 8, "cost": 2.0}]
    report.contribute(report.Part("scale", "Scale", "More.", lines, Lines("x", ("cost",), "CPU s", logarithmic=True)))
    text = report.README.read_text()
    assert text.startswith("# Before")
    assert text.endswith("after\n")
    assert text.count("### Peers") == 1
    assert "| a | 2.5 |" in text
    assert "| b | - |" in text
    assert json.loads(report.RESULTS.read_text())["peers"]["rows"][0]["events/s"] == 2.5
    assert (tmp_path / "plots" / "scale.svg").read_text().startswith("<svg")


def test_bars_name_every_row() -> None:
    """A bar is drawn for each row that has a value, by its label."""
    picture = draw("Rates", [{"system": "x<y", "rate": 10.0}, {"system": "z", "rate": 1.0}], Bars(("system",), "rate"))
    assert picture.count("<rect") == 3
    assert "x&lt;y" in picture
