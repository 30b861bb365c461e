"""`python -m tests.crash --faults 40 --seed 1`: hurt the app in turn, then hold what it left against a recount."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from tests.brokers import KafkaCluster
from tests.crash.app import WORKERS, Tortured
from tests.crash.check import Verdict, check
from tests.crash.faults import FAULTS, leave, schedule

BUILD = Path("build")
RECOVERY_SECONDS = 150.0


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


def hurt(app: Tortured, cluster: KafkaCluster, names: list[str], random: Random) -> list[float]:
    """Inject the faults one after the other; return the seconds from each one's end until all was caught up."""
    seconds = []
    for number, name in enumerate(names, 1):
        time.sleep(random.uniform(1, 4))
        FAULTS[name](app, cluster.brokers[0], random)
        began = time.monotonic()
        app.wait_fed(RECOVERY_SECONDS)
        app.wait_caught_up(RECOVERY_SECONDS)
        seconds.append(time.monotonic() - began)
        say(f"{number}/{len(names)} {name}: caught up after {seconds[-1]:.1f} s")
        for each in WORKERS:
            app.workers[each].wait_ready(RECOVERY_SECONDS)
    return seconds


def torture(cluster: KafkaCluster, folder: Path, names: list[str], seed: int, *, careless: bool) -> dict[str, Any]:
    """Run the app through the faults and return the report."""
    app = Tortured(cluster.bootstrap, folder, seed, careless=careless)
    try:
        app.begin()
        seconds = hurt(app, cluster, names, Random(f"faults {seed}"))  # noqa: S311 - a schedule, no secret
        app.end()
        app.wait_caught_up(RECOVERY_SECONDS)
        for name in WORKERS:
            leave(app, name)
        return report(names, seed, check(app), seconds)
    finally:
        app.kill()
        app.end()


def report(names: list[str], seed: int, verdict: Verdict, seconds: list[float]) -> dict[str, Any]:
    """Return what is written to the report file."""
    return {
        "faults": len(names),
        **asdict(verdict),
        "recovery_seconds_p50": round(statistics.median(seconds), 1),
        "recovery_seconds_max": round(max(seconds), 1),
        "seed": seed,
        "schedule": names,
    }


def main() -> int:
    """Run; return 0 if nothing was lost, duplicated or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--faults", type=int, default=40, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="of input and faults; the same one repeats a run")
    parser.add_argument("--only", choices=sorted(FAULTS), action="append", help="draw from these kinds only")
    parser.add_argument("--careless", action="store_true", help="switch the skip rule off: the run must fail")
    chosen = parser.parse_args()
    names = schedule(chosen.faults, Random(chosen.seed), chosen.only)  # noqa: S311 - a schedule, no secret
    folder = (BUILD / f"crash-{chosen.seed}").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    again = f"python -m tests.crash --faults {chosen.faults} --seed {chosen.seed}"
    again += "".join(f" --only {name}" for name in chosen.only or ())
    again += " --careless" * chosen.careless
    say(f"{again}\n{', '.join(names)}")
    cluster = KafkaCluster()
    try:
        found = torture(cluster.start(), folder, names, chosen.seed, careless=chosen.careless)
    except BaseException as error:
        say(f"FAILED ({type(error).__name__}); repeat with: {again}; what the workers printed lies in {folder}")
        raise
    finally:
        cluster.stop()
    if not chosen.careless:
        (BUILD / "crash.json").write_text(json.dumps(found, indent=2) + "\n")
    good = not (found["lost"] or found["duplicated"] or found["wrong"])
    say(json.dumps(found, indent=None if good else 2))
    say("all exact" if good else f"FAILED; repeat with: {again}; what the workers printed lies in {folder}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
