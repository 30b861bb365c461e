"""What can go wrong between us and the brokers, by name."""

from __future__ import annotations


class TransportError(Exception):
    """Any failure of the transport; the text names the thing, the value and the likely fix."""


class Unreachable(TransportError):  # noqa: N818 - the name says what is the matter
    """No broker answered at the given addresses."""


class TopicMissing(TransportError):  # noqa: N818 - the name says what is the matter
    """A topic does not exist."""


class PartitionMismatch(TransportError):  # noqa: N818 - the name says what is the matter
    """A topic has another number of partitions than it must have."""


class StateLost(TransportError):  # noqa: N818 - the name says what is the matter
    """A changelog no longer has all that its state needs."""


class InputReplaced(TransportError):  # noqa: N818 - the name says what is the matter
    """An input is not the log that was read: its topic was made anew, or lost its end."""


class Denied(TransportError):  # noqa: N818 - the name says what is the matter
    """The broker refuses this user the operation."""


class TooLarge(TransportError):  # noqa: N818 - the name says what is the matter
    """A record batch or an event is larger than the topic takes."""


class Fenced(TransportError):  # noqa: N818 - the name says what is the matter
    """Another owner took this changelog partition over: stop, write nothing more."""


class WriteFailed(TransportError):  # noqa: N818 - the name says what is the matter
    """Whether a write reached the log is unknown, or it was refused: the partition must be restored."""


class ReadFailed(TransportError):  # noqa: N818 - the name says what is the matter
    """A fetched record batch is damaged, or the offsets asked for are no longer in the log."""


class GroupFailed(TransportError):  # noqa: N818 - the name says what is the matter
    """The worker is no longer, and will not again be, a member of its consumer group."""
