"""`python -m tests.crash --faults 40 --seed 1`: hurt the app in turn, then hold what it left against a recount."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from random import Random

from tests.crash import faults
from tests.crash.faults import disks
from tests.crash.run import Phase, Result, missing_disk, say, torture

BUILD = Path("build")
KAFKA, EMBEDDED = "kafka", "embedded"


def phases(chosen: argparse.Namespace, folder: Path, result: Result) -> list[Phase]:
    """Return what is run: the faults of one broker, then those of three, together as many as were asked for."""
    one = faults.OF_WORKERS if chosen.broker == EMBEDDED else faults.ON_ONE_BROKER
    three = () if chosen.broker == EMBEDDED else faults.ON_THREE_BROKERS
    kinds = [name for name in faults.names((*one, *three)) if not chosen.only or name in chosen.only]
    if disks.disk_full.__name__ in kinds and (why := missing_disk(folder)):
        kinds.remove(disks.disk_full.__name__)
        result.left_out[disks.disk_full.__name__] = why
    drawn = faults.schedule(chosen.faults, Random(chosen.seed), kinds)  # noqa: S311 - a schedule, no secret
    apart = set(faults.names(three))
    parts = [[name for name in drawn if name not in apart], [name for name in drawn if name in apart]]
    brokers = [0 if chosen.broker == EMBEDDED else 1, 3]
    return [
        Phase(f"crash{chosen.seed}on{count}", count, part, chosen.seed, chosen.careless, chosen.standby, chosen.memory)
        for count, part in zip(brokers, parts, strict=True)
        if part
    ]


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--faults", type=int, default=40, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="of input and faults; the same one repeats a run")
    parser.add_argument("--only", choices=sorted(faults.FAULTS), action="append", help="draw from these kinds only")
    parser.add_argument("--careless", action="store_true", help="switch the skip rule off: the run must fail")
    parser.add_argument("--standby", action="store_true", help="each table partition is followed by a second worker")
    parser.add_argument("--memory", default="", help="of each worker for its open cells, such as 1MiB")
    parser.add_argument("--broker", choices=(KAFKA, EMBEDDED), default=KAFKA, help="the embedded one does not fence")
    return parser.parse_args()


def main() -> int:
    """Run; return 0 if nothing was lost, duplicated or wrong."""
    chosen = arguments()
    again = " ".join(["python -m tests.crash", *sys.argv[1:]])
    folder = (BUILD / f"crash-{chosen.seed}").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began, result = time.monotonic(), Result()
    for phase in phases(chosen, folder, result):
        say(f"{phase.brokers or 'embedded'} broker(s): {', '.join(phase.names)}")
        try:
            result.add(torture(phase, folder / phase.name))
        except BaseException as error:
            say(f"FAILED ({type(error).__name__}), seed {chosen.seed}; repeat with: {again}; output lies in {folder}")
            raise
    found = {**result.report(), "seed": chosen.seed, "broker": chosen.broker, "careless": chosen.careless}
    found |= {"standby": chosen.standby, "memory": chosen.memory}
    found["minutes"] = round((time.monotonic() - began) / 60, 1)
    name = "crash.json" if chosen.broker == KAFKA else "crash-embedded.json"
    (folder / "report.json").write_text(json.dumps(found, indent=2) + "\n")
    if not chosen.careless:
        (BUILD / name).write_text(json.dumps(found, indent=2) + "\n")
    good = result.verdict.good
    say(json.dumps({key: value for key, value in found.items() if key != "injected"}, indent=None if good else 2))
    for fault, why in result.left_out.items():
        say(f"LEFT OUT: {fault}: {why}")
    say("all exact" if good else f"FAILED, seed {chosen.seed}; repeat with: {again}; output lies in {folder}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
