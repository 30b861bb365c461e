"""`streams backtest` and `streams run`: what they print and write, and how they end; the page's examples among it."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streams.cli import main

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "deploy" / "docs" / "backtest.md").read_text(encoding="utf-8")
SERIES = "ec2_cpu_utilization_825cc2.csv"
INPUT = ("--input", f"points={SERIES}")


def streams(*arguments: str) -> Result:
    """Return what the command line does."""
    return CliRunner().invoke(main, list(arguments))


def blocks(language: str) -> list[str]:
    """Return the page's fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def timeless(text: str) -> str:
    """Return text without how long it took."""
    return re.sub(r"in \d+\.\d\d s \([\d,]+/s\)", "in 0.00 s (0/s)", text)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, the current one, with the page's declaration, a stricter one and the series."""
    (declaration,) = blocks("yaml")
    (tmp_path / "cloud.yaml").write_text(declaration)
    (tmp_path / "stricter.yaml").write_text(declaration.replace("for: 1h", "for: 2h"))
    (tmp_path / SERIES).write_bytes((ROOT / "tests" / "data" / "cloudwatch" / SERIES).read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", blocks("console"))
def test_the_page_shows_what_is_printed(block: str) -> None:
    """Each command of the page prints what the page shows, but for the time it takes."""
    command, _, shown = block.partition("\n")
    result = streams(*command.split()[2:])
    assert result.exit_code == 0
    assert timeless(result.output) == timeless(shown)


def test_json(folder: Path) -> None:
    """The JSON has counts and every alert, also those that never fired."""
    assert streams("backtest", "cloud.yaml", *INPUT, "--json", "out.json").exit_code == 0
    found = json.loads((folder / "out.json").read_text())
    (alert,) = found.pop("alerts")
    assert found == {
        "app": "cloud", "records": 4032, "late": 0, "deadLetters": {}, "from": "2014-04-10T00:04:00Z",
        "to": "2014-04-24T00:09:00Z",
    }  # fmt: skip
    assert {name: alert[name] for name in ("alert", "state", "activeAt", "startsAt", "endsAt", "key")} == {
        "alert": "MachineIdle", "state": "resolved", "activeAt": "2014-04-16T04:00:00.000Z",
        "startsAt": "2014-04-16T05:00:00.000Z", "endsAt": "2014-04-16T15:00:00.000Z", "key": ["web-1"],
    }  # fmt: skip


def test_json_of_a_comparison(folder: Path) -> None:
    """The JSON of a comparison has both runs and their pairs."""
    streams("backtest", "cloud.yaml", *INPUT, "--compare", "stricter.yaml", "--json", "out.json")
    found = json.loads((folder / "out.json").read_text())
    assert [(each["change"], each["after"]["startsAt"]) for each in found["changes"]] == [
        ("changed", "2014-04-16T06:00:00.000Z")
    ]
    assert len(found["before"]["alerts"]) == len(found["after"]["alerts"]) == 1


def test_html(folder: Path) -> None:
    """The page is written, with a chart of what the rule compares."""
    assert streams("backtest", "cloud.yaml", *INPUT, "--html", "out.html").exit_code == 0
    text = (folder / "out.html").read_text(encoding="utf-8")
    assert text.count("<svg") == 1
    assert "mean &lt; 60" in text
    assert 'class="pending"' in text
    assert 'class="firing"' in text


@pytest.mark.parametrize("window", ["{calendar: hour, zone: Europe/Berlin}", "{session: 4m}", "{count: 6}"])
def test_html_of_other_windows(folder: Path, window: str) -> None:
    """Rows of other windows are drawn, too: a curve, its threshold, and when the alert fired."""
    text = (folder / "cloud.yaml").read_text().replace("{tumbling: 30m, grace: 0s}", window).replace(", for: 1h", "")
    (folder / "other.yaml").write_text(text)
    assert streams("backtest", "other.yaml", *INPUT, "--html", "out.html").exit_code == 0
    page = (folder / "out.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    for drawn in ('<polyline class="value"', '<line class="limit"', '<rect class="firing"'):
        assert drawn in page


@pytest.mark.parametrize(("terminal", "shown"), [("1", True), ("", False)])
def test_a_bar_tells_how_far_a_run_has_come(terminal: str, *, shown: bool) -> None:
    """It stands on standard error, to its end, where that is a terminal; elsewhere nothing does."""
    result = CliRunner().invoke(main, ["backtest", "cloud.yaml", *INPUT], env={"FORCE_COLOR": terminal})
    assert ("cloud.yaml" in result.stderr and "100%" in result.stderr) == shown
    assert bool(result.stderr) == shown
    assert "100%" not in result.stdout


def test_pending_alerts_are_shown_if_asked_for(folder: Path) -> None:
    """Alerts that never fired are counted, and with --pending they have their line."""
    (folder / "never.yaml").write_text((folder / "cloud.yaml").read_text().replace("for: 1h", "for: 1d"))
    assert "0 alerts fired, 1 only pending" in streams("backtest", "never.yaml", *INPUT).output
    line = streams("backtest", "never.yaml", *INPUT, "--pending").output.splitlines()[1]
    assert line.split() == ['MachineIdle{machine="web-1"}', "2014-04-16T04:00:00Z", "-", "-", "-"]


def test_alerts_that_go_on(folder: Path) -> None:
    """An alert that still fires at the end has no end, and its duration a plus."""
    (folder / "on.yaml").write_text((folder / "cloud.yaml").read_text().replace("mean < 60", "mean > 1"))
    line = streams("backtest", "on.yaml", *INPUT).output.splitlines()[1]
    assert line.split()[1:] == ["2014-04-10T00:30:00Z", "2014-04-10T01:30:00Z", "-", "1w6d22h39m+"]


def test_windows_stay_open_without_flush() -> None:
    """With --no-flush the last window, which nothing has closed, is neither judged nor written."""
    for options, rows in (((), 673), (("--no-flush",), 672)):
        output = streams("run", "cloud.yaml", *INPUT, "--output", "cpu=cpu.csv", *options).output
        assert output.startswith(f"cpu.csv: {rows} rows of table cpu\n")


def test_rows_as_csv_and_as_json_lines(folder: Path) -> None:
    """Both forms say the same, packed or not; their numbers are those of a recount."""
    outputs = ("--output", "cpu=cpu.csv"), ("--output", "cpu=cpu.jsonl.gz")
    for output in outputs:
        assert streams("run", "cloud.yaml", *INPUT, *output).exit_code == 0
    with (folder / "cpu.csv").open() as file:
        table = list(csv.DictReader(file))
    lines = [json.loads(line) for line in gzip.decompress((folder / "cpu.jsonl.gz").read_bytes()).splitlines()]
    assert [(row["machine"], int(row["window_start"]), int(row["points"]), float(row["mean"])) for row in table] == [
        (line["machine"], line["window"]["start"], line["points"], line["mean"]) for line in lines
    ]
    assert sum(line["points"] for line in lines) == 4032
    with (folder / SERIES).open() as file:
        first = [float(row["value"]) for row in list(csv.DictReader(file))[:6]]
    assert lines[0]["points"] == 6
    assert lines[0]["mean"] == pytest.approx(sum(first) / 6, rel=1e-12)


def test_totals_of_tables_without_window(folder: Path) -> None:
    """A table without window is written as it is at the end, in both forms."""
    text = (folder / "cloud.yaml").read_text().replace("    window: {tumbling: 30m, grace: 0s}\n", "")
    (folder / "totals.yaml").write_text(text.replace("points: count()", "points: count(), low: min('no')"))
    streams("run", "totals.yaml", *INPUT, "--output", "cpu=cpu.csv")
    assert (folder / "cpu.csv").read_text().splitlines()[1].startswith("web-1,,,4032,,")
    streams("run", "totals.yaml", *INPUT, "--output", "cpu=cpu.jsonl")
    (line,) = (folder / "cpu.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert (row["machine"], row["window"], row["points"], row["low"]) == ("web-1", None, 4032, None)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("backtest", "cloud.yaml"), 2, "give --input STREAM=PATH, or --bootstrap HOST:PORT"),
        (("backtest", "cloud.yaml", "--input", "points"), 2, "--input is NAME=PATH, not 'points'"),
        (("backtest", "cloud.yaml", *INPUT, "--bootstrap", "x:1"), 2, "give --input or --bootstrap, not both"),
        (("backtest", "cloud.yaml", *INPUT, "--to", "2014-04-11T00:00:00Z"), 2, "--from and --to are for topics"),
        (("backtest", "cloud.yaml", "--bootstrap", "x:1", "--from", "noon"), 2, "'noon' is no time such as"),
        (("backtest", "cloud.yaml", "--input", "point=x"), 1, "there is no stream 'point' to read files; did you mean"),
        (("backtest", "cloud.yaml", "--input", "points=gone.csv"), 1, "gone.csv cannot be read: No such file"),
        (("backtest", "cloud.yaml", *INPUT, "--json", "no/x"), 1, "no/x cannot be written: No such file"),
        (("backtest", "cloud.yaml", *INPUT, "--compare", "gone.yaml"), 78, "gone.yaml:1:1: there is no such file"),
        (("backtest", "cloud.yaml", "--bootstrap", "127.0.0.1:1"), 1, "no Kafka broker answers at"),
        (("run", "cloud.yaml", *INPUT, "--output", "cpus=x"), 1, "there is no table 'cpus' to write; did you mean"),
        (("run", "cloud.yaml", *INPUT, "--output", "cpu=no/x"), 1, "no/x cannot be written: No such file"),
        (("run", "gone.yaml", *INPUT, "--output", "cpu=x"), 78, "gone.yaml:1:1: there is no such file"),
    ],
)
def test_mistakes_are_told_in_a_line(arguments: tuple[str, ...], code: int, message: str) -> None:
    """What cannot be done is told with its value, and no traceback."""
    result = streams(*arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_stream_needs_a_time_of_its_own(folder: Path) -> None:
    """Files carry no Kafka timestamps, so a stream without `time` cannot be read from them."""
    (folder / "timeless.yaml").write_text((folder / "cloud.yaml").read_text().replace(" time: timestamp,", ""))
    result = streams("backtest", "timeless.yaml", *INPUT)
    assert result.exit_code == 1
    assert "stream points has no `time`, and files carry no Kafka timestamps; declare its field" in result.stderr
