"""Starting and stopping the embedded broker."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streams import embedded

if TYPE_CHECKING:
    from streams.embedded import EmbeddedBroker

pytestmark = pytest.mark.embedded


@pytest.mark.usefixtures("embedded")
def test_it_answers_while_it_runs_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `stop` there is no process, no listener and no file; it can start again."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with embedded.EmbeddedBroker() as broker:
        pid, port = broker.pid, broker.port
        assert pid is not None
        assert embedded.answers(port)
        assert broker.bootstrap == f"127.0.0.1:{port}"
        assert list(tmp_path.iterdir())
    assert not embedded.answers(port, 0.2)
    assert broker.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not list(tmp_path.iterdir())
    with broker:
        assert embedded.answers(port)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's table of sockets")
@pytest.mark.usefixtures("embedded")
def test_it_listens_on_loopback_only() -> None:
    """Nobody else in the network reaches it: its only listening address is 127.0.0.1."""
    with embedded.EmbeddedBroker() as broker:
        wanted = f"0100007F:{broker.port:04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        listening = [line[1] for line in lines if line[3] == "0A" and line[1].endswith(f":{broker.port:04X}")]
        assert listening == [wanted]


def test_a_port_in_use_is_named(embedded: EmbeddedBroker) -> None:
    """The error tells the port and what to do."""
    from streams.embedded import EmbeddedBroker, EmbeddedBrokerError  # noqa: PLC0415 - the fixture has the module's name

    with pytest.raises(EmbeddedBrokerError, match=f"port {embedded.port} is in use"):
        EmbeddedBroker(embedded.port).start()


def test_another_program_on_the_port_is_named() -> None:
    """A listener that is no broker is a port in use, too."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(embedded.EmbeddedBrokerError, match=f"{port}"):
            embedded.EmbeddedBroker(port).start()


def test_without_the_wheel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error says what to install, and no file is left."""
    monkeypatch.delenv("CALF_TANSU_BIN", raising=False)
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(embedded.EmbeddedBrokerError, match=r"ops-streams\[embedded\]"):
        embedded.EmbeddedBroker().start()
    assert list(tmp_path.iterdir()) == []


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule: ports that are taken together, before any of them is bound, are different ones."""
    first = embedded.PORTS[0]
    monkeypatch.setattr(embedded, "PORTS", embedded.PORTS[:60])
    monkeypatch.setattr(embedded, "_GIVEN", set())
    given = [embedded.free_port() for _ in range(45)]
    assert len(set(given)) == 45
    assert min(given) >= first
