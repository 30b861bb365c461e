"""Java programs among the peers: their jars come through Maven into the cache, our source is compiled there."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.brokers import BrokerUnavailable, cache, fetching

HERE = Path(__file__).parent
FLAGS = ("-Xmx2g", "-XX:+UseSerialGC")
OPENS = (
    "java.base/java.lang",
    "java.base/java.util",
    "java.base/java.nio",
    "java.base/java.time",
    "java.base/java.net",
)


def command(name: str, main: str) -> list[str]:
    """Return the command that runs a peer, compiled once for each state of its sources.

    Args:
        name: its folder.
        main: its class.

    Raises:
        BrokerUnavailable: Java, its compiler or Maven is missing, or one of them failed.
    """
    sources = sorted(path for path in (HERE / name).iterdir() if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder = cache() / f"peer-{name}-{digest}"
    with fetching(folder) as missing:
        if missing:
            _build(folder, sources, main)
    opens = [word for each in OPENS for word in ("--add-opens", f"{each}=ALL-UNNAMED")]
    return ["java", *FLAGS, *opens, "-cp", f"{folder / 'classes'}:{folder / 'libs'}/*", main]


def _build(folder: Path, sources: list[Path], main: str) -> None:
    missing = [tool for tool in ("java", "javac", "mvn") if shutil.which(tool) is None]
    if missing:
        raise BrokerUnavailable(f"{main} needs {' and '.join(missing)}: apt-get install maven default-jdk-headless")
    for path in sources:
        shutil.copy(path, folder)
    _run(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs"], folder)
    _run(["javac", "-nowarn", "-cp", "libs/*", "-d", "classes", f"{main}.java"], folder)


def _run(words: list[str], folder: Path) -> None:
    done = subprocess.run(words, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        raise BrokerUnavailable(f"{words[0]} failed in {folder}: {(done.stdout + done.stderr)[-2000:]}")
