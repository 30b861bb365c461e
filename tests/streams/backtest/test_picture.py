"""The page: well-formed, escaped, without script; curves and bands lie where their values and times are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from streams.backtest.chart import BOTTOM, HEIGHT, LEFT, MOST_POINTS, RIGHT, TOP, WIDTH, Band, chart
from streams.backtest.curves import Curve, Recorder, comparisons
from streams.backtest.picture import Page
from streams.backtest.replay import Replay
from streams.load import loads
from streams.plan import plan

EVIL = "<script>alert(1)</script>&\"'"
APP = """
app: t
streams:
  s: {topic: s, time: {field: at, unit: ms}, key: host}
tables:
  c:
    from: s
    key: host
    window: {tumbling: 1s, grace: 0s}
    aggregates: {n: count(), top: max("x"), low: min("x"), bad: count(where="x < 0"), word: last("name")}
alerts:
  - {alert: High, table: c, expr: "(top > 10 or top > low * 3) and bad / n <= 0.5 and word != 'b'", for: 2s}
"""


def curve(values: list[float], constant: float | None = 5.0) -> Curve:
    """Return a curve with a value each second."""
    times = np.arange(len(values), dtype=np.int64) * 1000
    shown = np.array(values, float)
    return Curve("x > 5", "x", "5", times, shown, np.full(len(values), 5.0), constant)


def parts(svg: str, tag: str, kind: str) -> list[ET.Element]:
    """Return the elements of a tag and class."""
    return [each for each in ET.fromstring(svg).iter(tag) if each.get("class") == kind]  # noqa: S314 - our own text


def test_bands_lie_at_their_times() -> None:
    """A band begins and ends at the pixels of its times; one of no length can still be seen."""
    bands = [Band("pending", 2000, 4000, "p"), Band("firing", 4000, 10_000, EVIL), Band("firing", 3000, 3000, "now")]
    svg = chart(curve([float(at) for at in range(11)]), bands, (0, 10_000))
    width = WIDTH - LEFT - RIGHT
    (pending,), (firing, now) = parts(svg, "rect", "pending"), parts(svg, "rect", "firing")
    assert float(pending.get("x", 0)) == pytest.approx(LEFT + 0.2 * width, abs=0.1)
    assert float(pending.get("width", 0)) == pytest.approx(0.2 * width, abs=0.2)
    assert float(firing.get("x", 0)) + float(firing.get("width", 0)) == pytest.approx(WIDTH - RIGHT, abs=0.2)
    assert (float(now.get("width", 0)), firing[0].text) == (1.0, EVIL)


def test_values_lie_at_their_heights() -> None:
    """The greatest value is above the least, and the threshold between its neighbours."""
    svg = chart(curve([0.0, 4.0, 6.0, 10.0]), [], (0, 3000))
    (line,), (limit,) = parts(svg, "polyline", "value"), parts(svg, "line", "limit")
    points = [tuple(map(float, point.split(","))) for point in line.get("points", "").split(" ")]
    heights = [y for _, y in points]
    assert heights == sorted(heights, reverse=True)
    assert heights[2] < float(limit.get("y1", 0)) < heights[1]
    assert all(TOP <= y <= HEIGHT - BOTTOM and LEFT <= x <= WIDTH - RIGHT for x, y in points)


def test_nulls_are_gaps() -> None:
    """Where there is no value there is no line; a value alone is a point."""
    nan = float("nan")
    svg = chart(curve([1.0, 2.0, nan, 3.0, nan, 4.0, 5.0, 6.0]), [], (0, 7000))
    assert [len(each.get("points", "").split(" ")) for each in parts(svg, "polyline", "value")] == [2, 3]
    assert len(parts(svg, "circle", "value")) == 1


@pytest.mark.parametrize("values", [[], [7.0], [float("nan")] * 3, [0.0, 0.0], [-1e300, 1e300], [5.0] * 9])
def test_odd_curves_are_drawn(values: list[float]) -> None:
    """Without values, with one, with equal or huge ones, the picture is still one."""
    for constant in (5.0, None):
        assert ET.fromstring(chart(curve(values, constant), [], (0, 0))).tag == "svg"  # noqa: S314 - our own text


def test_long_curves_keep_their_peaks() -> None:
    """Of a hundred thousand points few are drawn, the peak among them."""
    values = np.zeros(100_000)
    values[54_321] = 1000
    svg = chart(curve(values.tolist()), [], (0, 100_000_000))
    (line,) = parts(svg, "polyline", "value")
    points = line.get("points", "").split(" ")
    assert len(points) <= MOST_POINTS
    assert min(float(point.split(",")[1]) for point in points) < HEIGHT / 4


def test_comparisons_of_a_rule() -> None:
    """Each comparison of numbers is one, inside and, or, parentheses; of texts none is."""
    (rule,) = plan(loads(APP)).tables["c"].rules
    found = [(each.left.text, each.op, each.right.text, each.constant) for each in comparisons(rule)]
    assert found == [
        ("top", ">", "10", 10.0), ("top", ">", "low * 3", None), ("bad / n", "<=", "0.5", 0.5),
    ]  # fmt: skip


@pytest.fixture
def replay_and_recorder() -> tuple[Replay, Recorder]:
    """Return a replay of four keys, one of them with markup in its name, and what was compared."""
    declaration = loads(APP)
    recorder = Recorder(plan(declaration))
    replay = Replay(declaration, on_close=recorder.closed)
    hosts = [EVIL.replace('"', '\\"'), "quiet", "b"]
    values = [
        b'{"at": %d, "host": "%s", "x": %d, "name": "a"}'
        % (at * 1000 + 1_700_000_000_000, host.encode(), 20 if index != 1 else 1)
        for at in range(8)
        for index, host in enumerate(hosts)
    ]
    replay.take("s", 0, list(values))
    replay.finish()
    return replay, recorder


def test_curves_are_the_rows(replay_and_recorder: tuple[Replay, Recorder]) -> None:
    """Each curve has the rows' values at the ends of their windows; an unknown key has none."""
    _, recorder = replay_and_recorder
    top, other, share = recorder.curves("High", 0, b"quiet")
    assert top.times.tolist() == [1_700_000_000_000 + at * 1000 for at in range(1, 9)]
    assert (top.values.tolist(), top.constant) == ([1.0] * 8, 10.0)
    assert (other.limits.tolist(), share.values.tolist()) == ([3.0] * 8, [0.0] * 8)
    assert all(len(each.times) == 0 for each in recorder.curves("High", 0, b"nobody"))


def test_the_page_is_whole_and_harmless(replay_and_recorder: tuple[Replay, Recorder], tmp_path: Path) -> None:
    """All text is escaped, nothing is loaded or run, and every alert is on it."""
    replay, recorder = replay_and_recorder
    episodes = replay.timeline.sorted()
    assert len(episodes) == 2
    span = (replay.first or 0, replay.last)
    text = Page(title=EVIL, summary=[EVIL], episodes=episodes, recorder=recorder, span=span).html()
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    root = ET.fromstring(text.removeprefix("<!doctype html>").replace('<meta charset="utf-8">', ""))  # noqa: S314 - ours
    tags = {each.tag for each in root.iter()}
    assert not tags & {"script", "link", "img", "iframe", "object"}
    names = {name for each in root.iter() for name in each.attrib}
    assert not {name for name in names if name.startswith("on") or name in ("href", "src")}
    assert [heading.text for heading in root.iter("h1")] == [EVIL]
    assert len(list(root.iter("svg"))) == 6
    assert len(list(root.iter("tr"))) == 3


def test_another_declaration_is_a_strip(replay_and_recorder: tuple[Replay, Recorder]) -> None:
    """Alerts of the other one lie at the bottom, also where the first has none."""
    replay, recorder = replay_and_recorder
    episodes = replay.timeline.sorted()
    span = (replay.first or 0, replay.last)
    others = [replace(each) for each in episodes]
    text = Page(title="t", summary=[], episodes=episodes[:1], recorder=recorder, span=span, others=others).html()
    assert text.count('class="firing other"') == 6
    assert text.count('<rect class="firing"') == 3
    assert "<p>No alert was raised.</p>" in Page(
        title="t", summary=[], episodes=[], recorder=recorder, span=span, others=[]
    ).html()  # fmt: skip
