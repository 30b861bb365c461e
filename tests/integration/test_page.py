"""The page at `/` in a real browser."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.integration.pairs import PARTITIONS, SCRIPT, Pair

pytestmark = [pytest.mark.browser, pytest.mark.embedded]
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip
BACKGROUND = (0xF4, 0xF5, 0xF7)
"""The page's own background where the user prefers light pages; a page without its style is white."""


class Document(HTMLParser):
    """What a browser made of a page: its elements, and its text as a reader sees it."""

    def __init__(self, text: str) -> None:
        """Read a serialised document."""
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element; a row of a table begins a list of cells."""
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a cell."""
        self._in_cell = self._in_cell and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        """Add text to the document and to the cell that it stands in."""
        self.text += data
        if self._in_cell:
            self.rows[-1][-1] += data


def chromium(folder: Path, *arguments: str) -> bytes:
    """Run the browser once, with a fresh profile; return what it prints."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        why = "NO CHROMIUM, the page stays unseen here: apt-get install chromium"
        pytest.fail(why) if os.environ.get("CI") == "true" else pytest.skip(why)
    command = [str(program), *QUIET, f"--user-data-dir={folder / 'profile'}", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, timeout=90)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return done.stdout


def first_pixel(png: bytes) -> tuple[int, ...]:
    """Return red, green and blue of the upper left pixel: no filter of PNG changes the very first bytes."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    data, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += length + 12
    return tuple(zlib.decompress(data)[1:4])


@pytest.mark.parametrize("number", [0, 1])
def test_the_browser_shows_tables_alerts_and_lag(pair: Pair, tmp_path: Path, number: int) -> None:
    """Either worker's page has the tables, the firing alert, both workers, and the lag of every input partition."""
    worker = pair.workers[number]
    page = Document(chromium(tmp_path, "--dump-dom", f"{worker.url}/").decode())
    cells = {row[0]: row[1:] for row in page.rows if row}
    assert cells["pages"] == ["tumbling windows of 1m, grace 0s", "page", "requests, bytes, agent", str(PARTITIONS)]
    assert cells["routes"] == ["none", "page, code", "requests", str(PARTITIONS)]
    assert cells[f"Popularpage={SCRIPT}severity=page"] == [
        "firing", "2023-11-14 22:16:00", "11", f"{SCRIPT} was asked for 11 times",
    ]  # fmt: skip
    for other in pair.workers:
        assert cells[other.url] == ["ready"]
    lags = {name: cells[name][1] for name in cells if name.startswith("pair.")}
    assert lags == {f"pair.{topic}-{at}": "0" for topic in ("pages", "routed") for at in range(PARTITIONS)}
    assert "No worker answers for" not in page.text


def test_a_script_in_a_label_is_text(pair: Pair, tmp_path: Path) -> None:
    """What stands in labels is shown as it is and becomes no element; the page has no script and no handler at all."""
    page = Document(chromium(tmp_path, "--dump-dom", f"{pair.workers[0].url}/").decode())
    assert SCRIPT in page.text
    assert "script" not in page.tags
    assert not [name for name in page.attributes if name.startswith("on")]


def test_the_page_loads_its_style(pair: Pair, tmp_path: Path) -> None:
    """The style sheet gets past the page's own Content-Security-Policy: the background is ours."""
    picture = tmp_path / "page.png"
    chromium(tmp_path, f"--screenshot={picture}", "--window-size=1280,900", f"{pair.workers[0].url}/")
    assert first_pixel(picture.read_bytes()) == BACKGROUND
