"""Everything that is wrong with one file, collected and raised together."""

from __future__ import annotations

from dataclasses import dataclass, field

from clipeval.errors import ConfigError

MAX_SHOWN = 40
"""Problems listed in one error; a file with more is not being fixed line by line."""
MAX_TEXT = 60
"""Characters of a user's value that a message repeats."""
MAX_MESSAGE = 400
"""Characters of a message that another part wrote."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; line and column count from 1, columns in characters."""

    line: int
    column: int


@dataclass(slots=True)
class ProblemList:
    """Collects problems of one file and raises them as one ConfigError."""

    label: str
    """The file as the user named it; starts every message."""
    silenced: set[Mark] = field(default_factory=set)
    """Places already explained: what follows from the first mistake is not reported again."""
    _found: list[tuple[Mark, str]] = field(default_factory=list)

    def add(self, mark: Mark, message: str) -> None:
        """Record one problem, unless its place has been explained or it was said before."""
        found = (mark, _printable(message))
        if mark not in self.silenced and found not in self._found:
            self._found.append(found)

    def explain(self, mark: Mark, message: str) -> None:
        """Record one problem and silence later ones at the same place."""
        self.add(mark, message)
        self.silenced.add(mark)

    def fatal(self, mark: Mark, message: str) -> ConfigError:
        """Return an error with one more problem, after which reading cannot go on."""
        self.add(mark, message)
        return self.error()

    def error(self) -> ConfigError:
        """Return all problems as one error, one per line, in the order of the file."""
        ordered = sorted(self._found)
        lines = [f"{self.label}:{m.line}:{m.column}: {text}" for m, text in ordered[:MAX_SHOWN]]
        if len(ordered) > MAX_SHOWN:
            lines.append(f"{self.label}: and {len(ordered) - MAX_SHOWN} more problems")
        return ConfigError("\n".join(lines))

    def raise_any(self) -> None:
        """Raise what was found, if anything.

        Raises:
            ConfigError: at least one problem was recorded.
        """
        if self._found:
            raise self.error()


def quote(text: str) -> str:
    """Return a user's text in single quotes on one line, shortened, control characters escaped."""
    clean = _printable(text[: MAX_TEXT + 1])
    return f"'{clean}'" if len(text) <= MAX_TEXT else f"'{clean[: MAX_TEXT - 3]}...'"


def one_line(message: str) -> str:
    """Return another part's message on one line of bounded length."""
    flat = _printable(" ".join(message.split()))
    return flat if len(flat) <= MAX_MESSAGE else f"{flat[: MAX_MESSAGE - 3]}..."


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def describe(value: object) -> str:
    """Say what a value read from YAML or JSON is, for the `got` of a message."""
    match value:
        case None:
            text = "nothing"
        case bool():
            text = "true" if value else "false"
        case int() | float():
            text = f"the number {value}"
        case str():
            text = quote(value) if value else "empty text"
        case list():
            text = f"a list of {len(value)}" if value else "an empty list"
        case _:
            text = "a mapping" if value else "an empty mapping"
    return text
