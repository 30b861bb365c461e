"""What a consumer group has committed, asked of the broker by an outside client."""

from __future__ import annotations

from typing import Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError


class Commits:
    """The commits of one group.

    Args:
        bootstrap: address of the broker.
        group: its name.
        topic: whose offsets count.
    """

    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        """Connect."""
        self._admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        self._group, self._topic = group, topic

    def total(self) -> int:
        """Return the sum of the committed offsets; 0 while nobody knows the group."""
        try:
            found = self._admin.list_group_offsets(self._group)[self._group]
        except KafkaError:
            return 0
        return sum(max(0, each.offset) for tp, each in found.items() if tp.topic == self._topic)

    def __enter__(self) -> Self:
        """Use it; it is connected already."""
        return self

    def __exit__(self, *error: object) -> None:
        """Disconnect."""
        self._admin.close()
