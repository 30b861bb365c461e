"""The Python form: equal objects to YAML, and mistakes with the line of the call."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tables
from streams.build import Builder
from streams.fields import ALERT, STREAM, TABLE
from streams.load import load
from streams.problems import DeclarationError, Problem
from streams.shapes import Section
from streams.spec import Stream, TimeField
from tables import calendar, count, counted, hopping, last, mean, quantile, rate, session, sliding, tumbling, windows
from tables.spec import Table

GOLDEN = Path(__file__).parent.parent / "declarations"


def line() -> int:
    """Return the line that calls this."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def small() -> tuple[Builder, Stream, Table]:
    """Return a builder with a stream and a table."""
    app = Builder("ops")
    access = app.stream("access", topic="web.access", key="host")
    return app, access, app.table("traffic", from_=access, key="host", window=tumbling("1m"), requests=count())


def refused(call: Any, *args: Any, **options: Any) -> list[Problem]:
    """Return the mistakes of a call that must have some."""
    with pytest.raises(DeclarationError) as caught:
        call(*args, **options)
    return caught.value.problems


def test_python_equals_yaml() -> None:
    """The example of the design says the same in Python and in YAML."""
    app = Builder("ops")
    access = app.stream("access", topic="web.access", codec="json", time="ts", key="host")
    traffic = app.table(
        "traffic", from_=access, key="host", window=hopping("5m", every="30s", grace="10s"), keep="24h",
        requests=count(), errors=count(where="status >= 500"), p95=quantile(0.95, "request_time"),
    )  # fmt: skip
    app.alert(
        "HighErrorRate", table=traffic, expr="requests >= 50 and errors / requests > 0.05", for_="2m",
        labels={"severity": "page"},
        annotations={"summary": "{{ $labels.host }}: {{ errors }} of {{ requests }} failed"},
    )  # fmt: skip
    app.check()
    assert app.declaration == load(GOLDEN / "ops.good.yaml")


def test_every_key_in_python() -> None:
    """Every key of the language says the same in Python and in YAML."""
    app = Builder(
        "shop",
        kafka={"bootstrap.servers": "kafka-1:9092,kafka-2:9092", "session.timeout.ms": 12000},
        topics={"alerts": "shop.alarms", "dead_letters": "shop.rejected"},
    )
    app.stream(
        "orders", topic="shop.orders", codec="json", time=TimeField(field="placed.at", unit="ms"),
        key=("shop.id", "region"), where="amount > 0 and not test",
        derive={"euros": "amount / 100", "big": "euros >= 1000"}, idle="never", max_ahead="5m",
    )  # fmt: skip
    visits = app.stream("visits", topic="shop.visits", codec="nginx", time="time", key="client")
    sales = app.table(
        "sales", from_="orders", key=["shop.id", "region"], where="status in ('paid', 'sent')",
        derive={"vat": "euros * 0.19"}, window=tumbling("1m", grace="2s"), keep="2d", late="shop.sales.late",
        expose=["turnover", "orders"], standby=1, emit="close", to="shop.sales", changelog="shop.sales.state",
        max_keys=5000, aggregates={"orders": count(), "large": 'count(where="big")'},
        turnover=tables.sum("euros"), taxes=tables.sum("vat"), dearest=tables.max("euros"),
        cheapest=tables.min("euros"), mean_order=mean("euros"), p99=quantile(0.99, "euros"), last_status=last("status"),
    )  # fmt: skip
    clients = app.table("clients", from_=visits, key="client", emit={"update": "10s"}, seen=count())
    app.alert(
        "FewSales", table=sales, expr="turnover < 100 and last_status == 'paid'", for_="5m", keep_firing_for="1h",
        limit=20, judge="close", labels={"severity": "page", "team": "{{ region }}"},
        annotations={"summary": "{{ $labels.shop_id }}: {{ $value | humanize }} in {{ region }}"},
        to="shop.sales.alarms",
    )  # fmt: skip
    app.alert("FewSales", table="sales", expr="turnover < 10")
    app.alert("Crawler", table=clients, expr="seen > 100000")
    app.check()
    assert app.declaration == load(GOLDEN / "everything.good.yaml")


@pytest.mark.parametrize(("section", "method"), [(STREAM, "stream"), (TABLE, "table"), (ALERT, "alert")])
def test_python_takes_every_key(section: Section, method: str) -> None:
    """Python's names are YAML's, with a trailing underscore only for keywords."""
    taken = inspect.signature(getattr(Builder, method)).parameters.keys() - {"self", "name", "columns"}
    keys = {key.argument or key.name for key in section.keys}
    assert taken == keys - {"alert"}


def test_mistakes_name_the_call() -> None:
    """A value that is not what it must be is refused at once, with file, line and column of the call."""
    app = Builder("ops")
    (problem,) = refused(lambda: app.stream("access", topic="web access", key="host")); here = line()  # fmt: skip  # noqa: E702 - one line
    assert (problem.file, problem.line) == (__file__, here)
    assert problem.column > 1
    assert "'web access' is not a topic name" in problem.message
    assert dict(app.declaration.streams) == {}


def test_all_mistakes_of_a_call_at_once() -> None:
    """One call is refused with all of its mistakes."""
    app, access, _ = small()
    problems = refused(app.table, "other", from_=access, key="host", keep="1 day", standby=-1, emit="closed", n=count())
    assert len(problems) == 3


def test_bare_numbers_are_no_durations() -> None:
    """A number without a unit is refused in Python, too."""
    app, _, traffic = small()
    (problem,) = refused(app.alert, "Busy", table=traffic, expr="requests > 1", for_=120)
    assert problem.message.endswith("did you mean '120s'?")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kep": "24h", "n": count()}, "`kep` is no option of a table, and '24h' is no aggregate; did you mean 'keep'"),
        ({"n": count}, "is no aggregate"),
        ({"aggregates": {"n": count()}, "n": count()}, "column 'n' is given twice"),
        ({"aggregates": [count()]}, "`aggregates` must be a mapping of column names to aggregates, not a list"),
        ({"aggregates": {"keep": count()}}, "'keep' may not be a name here"),
        ({"aggregates": {"n": 5}}, "a call such as `count()` or"),
        ({"n": count(), "window": "1m"}, "`window` must be none, or a mapping"),
        ({"n": count(), "window": True}, "`window` must be none, or a mapping"),
        ({}, "a table needs `aggregates`"),
    ],
)  # fmt: skip
def test_columns(options: dict[str, Any], message: str) -> None:
    """Only aggregates are columns, each of one name; a misspelt option is told as such."""
    app, access, _ = small()
    (problem,) = refused(app.table, "other", from_=access, key="host", **options)
    assert message in problem.message


def test_names_are_distinct() -> None:
    """A name can be declared once."""
    app, access, _ = small()
    assert "declared twice in streams" in refused(app.stream, "access", topic="t")[0].message
    assert "declared twice in tables" in refused(app.table, "traffic", from_=access, key="host", n=count())[0].message
    assert "'No' is not a name" in refused(app.stream, "No", topic="t")[0].message


def test_app_is_checked() -> None:
    """The app's own name and topics are checked like all others."""
    assert "'my app' is not a name" in refused(Builder, "my app")[0].message
    assert "app has no key 'alarms'" in refused(Builder, "ops", topics={"alarms": "x"})[0].message


def test_check_names_every_call() -> None:
    """What does not fit together is told in one list, each at the call that declared it."""
    app, access, traffic = small()
    app.table("other", from_=access, key="user", n=count(where="status >")); table = line()  # fmt: skip  # noqa: E702 - one line
    app.alert("Busy", table=traffic, expr="request > 1"); alert = line()  # fmt: skip  # noqa: E702 - one line
    problems = refused(app.check)
    assert [(each.file, each.line) for each in problems] == [(__file__, table), (__file__, alert)]
    assert "there is no `request` here; did you mean `requests`?" in problems[1].message


@pytest.mark.parametrize("call", ["app.stream('access', topic='a b')", "app.alert('A', table='t', expr='n > 1')"])
def test_faust_shows_no_traceback(call: str, tmp_path: Path) -> None:
    """Faust ends with exit code 78 and the place of the mistake, whether it is in one call or between several."""
    path = tmp_path / "ops_with_a_mistake.py"
    path.write_text(f"from streams import App\n\napp = App('ops')\n{call}\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(GOLDEN.parent.parent)}
    done = subprocess.run(
        [sys.executable, "-m", "faust", "-A", path.stem, "agents"],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert done.returncode == 78
    assert f"{path}:4:1: " in done.stderr
    assert "Traceback" not in done.stderr


def test_adopted_declaration() -> None:
    """A builder goes on from a declaration that was loaded."""
    whole = load(GOLDEN / "ops.good.yaml")
    app = Builder("ops")
    app.adopt(whole)
    app.check()
    assert app.declaration == whole
    app.alert("Busy", table="traffic", expr="requests > 1")
    assert len(app.declaration.alerts) == 2


def test_windows_in_both_spellings() -> None:
    """Each kind of windows, with each of its options, says the same as a call and as a mapping."""
    app = Builder("ops")
    access = app.stream("access", topic="web.access", time="ts", key="host")
    called = {
        "plain": tumbling("1m"),
        "shifted": tumbling("1h", offset="15m", grace="0s"),
        "overlapping": hopping("5m", every="30s", offset="10s", grace="1h"),
        "hours": calendar("hour"),
        "days": calendar("day", zone="Europe/Berlin", grace="10s"),
        "activity": session("5m", grace="1m"),
        "recent": sliding("5m", grace="1m"),
        "hundreds": counted(100),
    }
    for name, window in called.items():
        app.table(name, from_=access, key="host", window=window, n=count())
    app.table("gathered", from_=access, key="host", window=session("5m"), emit={"update": "10s"}, n=count())
    app.table("counted", from_=access, key="host", window=tumbling("1m"), n=rate("x", extrapolate=True))
    assert {type(window).kind for window in called.values()} == windows.registry().keys()
    assert app.declaration == load(GOLDEN / "windows.good.yaml")
