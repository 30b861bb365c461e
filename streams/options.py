"""Settings of one kind: each an option with a name, a parser and a default, read from a file and the environment.

The environment beats the file. Every mistake is reported at once, with the place it was read from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from streams.problems import suggest

_OPTION = "option"


class Secret:
    """A text that shows itself only when asked by name: never in a repr, a log line or a traceback."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Wrap `text`."""
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        """Return a mask of fixed length."""
        return "******"

    def __eq__(self, other: object) -> bool:
        """Tell whether both hold the same text."""
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(self._text)


@dataclass(frozen=True)
class Option:
    """What is known of one setting before it is read.

    Args:
        name: as it is written in the file.
        parse: text to value; raises ValueError with a message that reads on after the value.
        default: text of the default; None leaves the setting unset.
        doc: what it does, in one line.
        aliases: other names in the file that mean the same.
        environment: variables of other programs that are honoured too, after our own.
        secret: whether the value is never shown, and may also lie in a file of its own.
    """

    name: str
    parse: Callable[[str], Any]
    default: str | None
    doc: str
    aliases: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    secret: bool = False


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: the option, where it was read, and what is wrong with it."""

    name: str
    source: str
    message: str

    def __str__(self) -> str:
        """Return `source: message`."""
        return f"{self.source}: {self.message}"


class SettingsError(ValueError):
    """Settings cannot be used; `problems` holds every mistake."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems in order of their names."""
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


def option(  # noqa: PLR0913 - an option is its fields
    name: str,
    parse: Callable[[str], Any],
    default: str | None,
    doc: str,
    *,
    aliases: tuple[str, ...] = (),
    environment: tuple[str, ...] = (),
    secret: bool = False,
) -> Any:
    """Return a dataclass field that is read as the option `name`."""
    made = Option(name, parse, default, doc, aliases, environment, secret)
    return field(default=None if default is None else parse(default), metadata={_OPTION: made})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of a group of settings: a frozen dataclass whose fields are made by `option`."""

    @classmethod
    def options(cls) -> dict[str, Option]:
        """Return the options by field name."""
        return {each.name: each.metadata[_OPTION] for each in fields(cls) if _OPTION in each.metadata}

    @classmethod
    def prefix(cls) -> str:
        """Return what our environment variables of this group begin with."""
        return "STREAMS_"

    @classmethod
    def section(cls) -> str:
        """Return the section of the declaration that holds this group; empty if only the environment does."""
        return ""

    @classmethod
    def variable(cls, name: str) -> str:
        """Return the environment variable of the option `name`."""
        return cls.prefix() + name.replace(".", "_").upper()

    @classmethod
    def mistakes(cls, given: Mapping[str, str]) -> list[Problem]:
        """Return what is wrong with each option that a file gives, whatever the environment will add."""
        return [*cls._unknown(given), *cls._parse(given, {})[1]]

    @classmethod
    def read(cls, given: Mapping[str, str], environ: Mapping[str, str]) -> Self:
        """Return the settings of a file's section and of the environment, which wins.

        Args:
            given: option name to text, as the file has it.
            environ: environment variables.

        Raises:
            SettingsError: with every mistake found.
        """
        values, problems = cls._parse(given, environ)
        problems = [*cls._unknown(given), *cls._unknown_variables(environ), *problems]
        if problems:
            raise SettingsError(problems)
        made = cls(**values)
        if problems := [*made.check()]:
            raise SettingsError(problems)
        return made

    def check(self) -> Iterator[Problem]:
        """Yield what is wrong with the settings together."""
        yield from ()

    @classmethod
    def problem(cls, name: str, message: str) -> Problem:
        """Return a mistake that is not one value's alone."""
        return Problem(name, f"{cls.section()}.{name}" if cls.section() else cls.variable(name), message)

    @classmethod
    def _parse(cls, given: Mapping[str, str], environ: Mapping[str, str]) -> tuple[dict[str, Any], list[Problem]]:
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, each in cls.options().items():
            source, text = cls.variable(each.name), ""
            try:
                if found := cls._find(each, given, environ):
                    source, text = found
                    values[name] = each.parse(text)
            except ValueError as error:
                # What stands before an @ may be a password in a URL.
                shown = f"{text!r} " if text and not each.secret and "@" not in text else ""
                problems.append(Problem(each.name, source, f"{shown}{error}"))
        return values, problems

    @classmethod
    def _unknown(cls, given: Mapping[str, str]) -> Iterator[Problem]:
        known = {name for each in cls.options().values() for name in (each.name, *each.aliases)}
        for name in given.keys() - known:
            yield Problem(name, f"{cls.section()}.{name}", f"unknown setting {name!r}{suggest(name, known)}")

    @classmethod
    def _unknown_variables(cls, environ: Mapping[str, str]) -> Iterator[Problem]:
        """Yield misspelt variables; only where a group has a prefix to itself."""
        if not cls.section():
            return
        known = {cls.variable(each.name) + end for each in cls.options().values() for end in _ends(each)}
        for name in environ:
            if name.startswith(cls.prefix()) and name not in known:
                yield Problem(name, name, f"unknown variable{suggest(name, known)}")

    @classmethod
    def _find(cls, each: Option, given: Mapping[str, str], environ: Mapping[str, str]) -> tuple[str, str] | None:
        """Return (source, text) of the first place that has the option; empty variables count as unset."""
        if each.secret and (found := _from_file(cls.variable(each.name), environ)):
            return found
        for variable in (cls.variable(each.name), *each.environment):
            if environ.get(variable):
                return variable, environ[variable]
        for name in (each.name, *each.aliases):
            if name in given:
                return f"{cls.section()}.{name}", given[name]
        return None


def _ends(each: Option) -> tuple[str, ...]:
    return ("", "_FILE") if each.secret else ("",)


def _from_file(variable: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    source = f"{variable}_FILE"
    if not (path := environ.get(source)):
        return None
    if environ.get(variable):
        raise ValueError(f"is set, and {source} too; unset one of them")
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read from {source}={path}: {error}") from error
    if not text:
        raise ValueError(f"is empty in {source}={path}")
    return source, text
