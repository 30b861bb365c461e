"""How the demo starts and ends its workers, with other programs in their place."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from streams.demo import workers
from streams.demo.workers import Workers
from streams.embedded import free_port

READY = "import sys, time; print('ready', flush=True); time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY


def run_instead(monkeypatch: pytest.MonkeyPatch, program: str, seen: list[dict[str, str]] | None = None) -> None:
    """Let a Python program run in place of each worker; `seen` gets their environments."""
    original = subprocess.Popen

    def popen(_: list[str], **options: object) -> subprocess.Popen[bytes]:
        if seen is not None:
            seen.append(dict(options["env"]))  # type: ignore[call-overload] # given as a mapping
        made: subprocess.Popen[bytes] = original([sys.executable, "-c", program], **options)  # type: ignore[call-overload]
        return made

    monkeypatch.setattr(workers.subprocess, "Popen", popen)


def wait_ready(made: Workers) -> None:
    """Return when both programs have begun."""
    while not all(b"ready" in made.log(number).read_bytes() for number in (1, 2)):
        assert made.ended() is None


def test_a_port_that_is_taken_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever listens there, even if it answers nothing, keeps its port; when it is gone the usual port is used."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(workers, "FIRST_PORT", port)
        assert Workers("", tmp_path, 1).ports[0] != port
    assert Workers("", tmp_path, 1).ports == [port]
    assert Workers("", tmp_path, 1).urls == [f"http://127.0.0.1:{port}"]


def test_settings_of_another_app_do_not_reach_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers, tokens, directories and ports in the user's environment are another app's; all else is handed on."""
    foreign = {
        "STREAMS_KAFKA_SECURITY_PROTOCOL": "SSL", "STREAMS_WEB_TOKENS": "secret", "STREAMS_FILE": "other.yaml",
        "APP_DATADIR": "/elsewhere", "FAUST_DATADIR": "/elsewhere", "WEB_PORT": "1", "FAUST_WEB_PORT": "1",
    }  # fmt: skip
    for name, value in {**foreign, "OWN_SETTING": "kept"}.items():
        monkeypatch.setenv(name, value)
    seen: list[dict[str, str]] = []
    run_instead(monkeypatch, READY, seen)
    made = Workers("127.0.0.1:1", tmp_path)
    made.start()
    made.stop()
    assert [each["STREAMS_WEB_PORT"] for each in seen] == [str(port) for port in made.ports]
    for each in seen:
        assert not [name for name in foreign if each.get(name) == foreign[name]]
        assert each["OWN_SETTING"] == "kept"
        assert each["STREAMS_KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:1"
    assert len({each["STREAMS_DATA_DIR"] for each in seen}) == 2


@pytest.mark.parametrize("program", [READY, DEAF], ids=["in order", "deaf to SIGTERM"])
def test_nothing_runs_after_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Workers end in order, or by force after a while; stopping twice does nothing."""
    monkeypatch.setattr(workers, "GRACE", 0.5)
    run_instead(monkeypatch, program)
    made = Workers("", tmp_path)
    made.start()
    wait_ready(made)
    pids = [process.pid for process in made._processes]  # noqa: SLF001 - the processes that must be gone
    made.stop()
    made.stop()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_dead_worker_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number and how it ended: an exit code, or minus the signal."""
    run_instead(monkeypatch, READY)
    made = Workers("", tmp_path)
    made.start()
    assert made.ended() is None
    wait_ready(made)
    process = made._processes[1]  # noqa: SLF001 - the one that dies
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert made.ended() == (2, -signal.SIGKILL)
    made.stop()


def test_the_usual_ports_are_tried_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URLs are the documented ones unless something is in the way."""
    port = free_port()
    monkeypatch.setattr(workers, "FIRST_PORT", port)
    assert Workers("", tmp_path).ports[0] == port
