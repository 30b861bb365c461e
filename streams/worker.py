"""The app of a YAML declaration: `STREAMS_FILE=ops.yaml faust -A streams.worker worker`."""

from __future__ import annotations

import os
import sys

from streams.app import EX_CONFIG, App
from streams.load import load
from streams.problems import DeclarationError

VARIABLE = "STREAMS_FILE"


def _app() -> App:
    path = os.environ.get(VARIABLE, "")
    if not path:
        sys.stderr.write(f"{VARIABLE} is not set: name the declaration, for example {VARIABLE}=ops.yaml\n")
        raise SystemExit(EX_CONFIG)
    try:
        return App.of(load(path))
    except DeclarationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(EX_CONFIG) from None


app = _app()
