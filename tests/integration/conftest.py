"""What integration tests share: a pair of workers that nobody ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.embedded import EmbeddedBroker
from tests.integration.pairs import Pair


@pytest.fixture(scope="session")
def pair(embedded: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two workers on the embedded broker, with the settings of a user who set none; tests only read from them."""
    made = Pair("pair", embedded.bootstrap, tmp_path_factory.mktemp("pair"))
    try:
        yield made.start().wait_settled()
    finally:
        made.stop()
