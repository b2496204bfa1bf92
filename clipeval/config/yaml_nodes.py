"""A strict reading of YAML that remembers where everything stands.

The reading is close to the core schema of YAML 1.2 and refuses what other readers would turn into
something else: unquoted yes/no, 3:25, 010, dates; aliases, merge keys and tags; duplicate and
non-text keys; keys without a value; a second document.

Source: YAML 1.2.2, section 10.3 (core schema), and YAML 1.1's types bool, int, float, timestamp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from clipeval.config.problems import Mark, ProblemList, quote

MAX_DEPTH = 16
"""Nesting allowed; suites need 5."""
MAX_DIGITS = 30
"""Length of a number; none of ours is longer, and Python refuses to read very long ones."""

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_SURPRISES = (
    (re.compile(r"(?i)(y|n|yes|no|on|off)"), "true or false"),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"), "a number in base 60"),
    (re.compile(r"[-+]?0[0-9_]+(\.[0-9_]*)?"), "an octal number"),
    (re.compile(r"[-+]?0(o[0-7_]+|x[0-9a-fA-F_]+|b[01_]+)"), "a number in another base"),
    (re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?"), "a number with underscores"),
    (re.compile(r"(?i)[-+]?\.(inf|nan)"), "a number that is not finite"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?"), "a date"),
)
_NOT_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_STANDARD_TAGS = "tag:yaml.org,2002:"
_OPENERS = {"@": "@", "`": "a backquote", "%": "%", "&": "&", "*": "*", "!": "!"}


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the document and the places of everything inside it."""

    value: Plain
    mark: Mark
    children: dict[str | int, Node] = field(default_factory=dict)
    key_marks: dict[str | int, Mark] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file, read."""

    root: Node
    problems: ProblemList
    """What was refused while reading; whoever interprets the document adds to it and raises."""

    def mark(self, *path: str | int) -> Mark:
        """Return where the value at `path` starts, or the nearest enclosing one that exists."""
        node = self.root
        for step in path:
            node = node.children.get(step, node)
        return node.mark

    def key_mark(self, *path: str | int) -> Mark:
        """Return where the key at the end of `path` starts; for list items, the item itself."""
        node = self.root
        for step in path[:-1]:
            node = node.children.get(step, node)
        return node.key_marks.get(path[-1], node.mark) if path else node.mark

    def where(self, *path: str | int) -> str:
        """Return `file:line:column` of the key at `path`."""
        mark = self.key_mark(*path)
        return f"{self.problems.label}:{mark.line}:{mark.column}"


def parse_yaml(text: str, *, label: str) -> Document:
    """Read one mapping from YAML text.

    Args:
        text: the whole document.
        label: the file's name for messages.
    Returns:
        The document; mistakes after which reading could go on are in its problems.
    Raises:
        ConfigError: the text is empty, not YAML, not one mapping, or nested too deeply.
    """
    problems = ProblemList(label)
    events = _events(text, problems)
    root: Node | None = None
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            if root is not None:
                raise problems.fatal(
                    _mark(event), "a second document starts here; expected one document per file"
                )
            if event.version or event.tags:
                problems.explain(_mark(event), "a % directive; expected none: leave it out")
            root = _Builder(events, problems).build(next(events), depth=0)
    if root is None or root.value is None:
        raise problems.fatal(Mark(1, 1), "the file is empty; expected keys and values")
    if not isinstance(root.value, dict):
        kind = "a list" if isinstance(root.value, list) else "a single value"
        raise problems.fatal(root.mark, f"the file holds {kind}; expected 'key: value' lines")
    return Document(root, problems)


def _events(text: str, problems: ProblemList) -> Iterator[yaml.Event]:
    """Yield PyYAML's events, with its errors turned into located ones."""
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        while loader.check_event():
            yield loader.get_event()  # type: ignore[no-untyped-call]
    except yaml.reader.ReaderError as error:
        line_start = text.rfind("\n", 0, error.position) + 1
        mark = Mark(text.count("\n", 0, error.position) + 1, error.position - line_start + 1)
        raise problems.fatal(
            mark, f"a control character, {text[error.position]!a}; expected plain text"
        ) from None
    except yaml.MarkedYAMLError as error:
        raise problems.fatal(*_syntax_problem(error, text)) from None
    except (ValueError, OverflowError):
        # PyYAML lets these out for escapes beyond Unicode and absurd version numbers.
        place = loader.get_mark() if loader else None
        mark = Mark(place.line + 1, place.column + 1) if place else Mark(1, 1)
        raise problems.fatal(
            mark, "not valid YAML: an escape or a number here is out of range; expected plain text"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


def _syntax_problem(error: yaml.MarkedYAMLError, text: str) -> tuple[Mark, str]:
    place = error.problem_mark or error.context_mark
    mark = Mark(place.line + 1, place.column + 1) if place else Mark(1, 1)
    found = " ".join(part for part in (error.context, error.problem) if part)
    if place is None:
        return mark, f"not valid YAML: {found}"
    offset = place.index if place.index is not None else 0
    char = text[offset : offset + 1]
    line = text[text.rfind("\n", 0, offset) + 1 :].split("\n", 1)[0]
    if char == "\t" or line[: mark.column].strip(" ").startswith("\t"):
        return mark, "not valid YAML: a tab; expected spaces: indent with spaces only"
    if "cannot start any token" in found and char in _OPENERS:
        return mark, (
            f"not valid YAML: unquoted text cannot start with {_OPENERS[char]}; "
            f"expected quotes: {_quoted_word(line[mark.column - 1 :])}"
        )
    if "{" in line:
        found += "; text with {} in it is best written in double quotes"
    elif "mapping values are not allowed" in found:
        found += "; text with ': ' in it is written in double quotes"
    return mark, f"not valid YAML: {found}"


def _quoted_word(rest: str) -> str:
    word = re.split(r"[\s,\]}#]", rest, maxsplit=1)[0]
    return f'"{word[:40]}"'


def _mark(event: yaml.Event) -> Mark:
    start = event.start_mark
    return Mark(start.line + 1, start.column + 1) if start else Mark(1, 1)


@dataclass(slots=True)
class _Builder:
    """Turns events into nodes; recursion is bounded by MAX_DEPTH."""

    events: Iterator[yaml.Event]
    problems: ProblemList

    def build(self, event: yaml.Event, *, depth: int) -> Node:
        mark = _mark(event)
        if depth > MAX_DEPTH:
            raise self.problems.fatal(
                mark, f"nested too deeply; expected at most {MAX_DEPTH} levels"
            )
        if isinstance(event, yaml.AliasEvent):
            self.problems.explain(
                mark, f"alias '*{event.anchor}'; expected the value itself: aliases are not read"
            )
            return Node(None, mark)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        self._refuse_decoration(event, mark)
        if isinstance(event, yaml.ScalarEvent):
            return Node(self._scalar(event, mark, nullable=depth == 0), mark)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(mark, depth)
        return self._sequence(mark, depth)

    def _refuse_decoration(
        self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, mark: Mark
    ) -> None:
        if event.anchor:
            self.problems.explain(
                mark, f"anchor '&{event.anchor}'; expected the value alone: anchors are not read"
            )
        if event.tag:
            self.problems.explain(
                mark,
                f"tag {quote(event.tag.replace(_STANDARD_TAGS, '!!'))}; "
                "expected the value alone: write text in quotes, "
                "tags are not read",
            )

    def _sequence(self, mark: Mark, depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.build(event, depth=depth + 1))
        children: dict[str | int, Node] = dict(enumerate(items))
        marks: dict[str | int, Mark] = {index: item.mark for index, item in enumerate(items)}
        return Node([item.value for item in items], mark, children, marks)

    def _mapping(self, mark: Mark, depth: int) -> Node:
        values: dict[str, Plain] = {}
        node = Node(values, mark)
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key_mark = _mark(event)
            key = self._key(event, depth)
            child = self.build(next(self.events), depth=depth + 1)
            if key is None:
                continue
            if key in values:
                first = node.key_marks[key]
                self.problems.explain(
                    key_mark,
                    f"duplicate key {quote(key)}; it is already at {first.line}:{first.column}: "
                    "expected each key once",
                )
                continue
            values[key] = child.value
            node.children[key] = child
            node.key_marks[key] = key_mark
        return node

    def _key(self, event: yaml.Event, depth: int) -> str | None:
        """Return the key's text, or None if the entry is to be left out."""
        mark = _mark(event)
        if not isinstance(event, yaml.ScalarEvent):
            self.build(event, depth=depth + 1)
            self.problems.explain(mark, "not a text key; expected text before the ':'")
            return None
        if event.style is None and event.value == "<<":
            self.problems.explain(
                mark, "merge key '<<'; expected the keys themselves: merge keys are not read"
            )
            return None
        self._refuse_decoration(event, mark)
        if not isinstance(self._scalar(event, mark, nullable=True), str):
            shown = quote(event.value)
            self.problems.explain(
                mark, f'key {shown} is not text; expected quotes: "{event.value[:40]}"'
            )
        return str(event.value)

    def _scalar(self, event: yaml.ScalarEvent, mark: Mark, *, nullable: bool) -> Plain:
        text: str = event.value
        if bad := _NOT_TEXT.search(text):
            self.problems.explain(
                mark, f"text holds the control character {bad.group()!a}; expected plain text"
            )
        if event.style is not None:
            return text
        if text in _NULLS:
            if not nullable:
                self.problems.explain(mark, "no value here; expected a value, or leave the key out")
            return None
        if text in _BOOLS:
            return _BOOLS[text]
        return self._number_or_text(text, mark)

    def _number_or_text(self, text: str, mark: Mark) -> Plain:
        for pattern, other in _SURPRISES:
            if pattern.fullmatch(text):
                instead = ", or true or false without" if other == "true or false" else ""
                self.problems.explain(
                    mark,
                    f"unquoted {quote(text)} is {other} to some YAML readers; "
                    f'expected quotes: write it in quotes if text is meant, "{text[:40]}"{instead}',
                )
                return text
        if not _FLOAT.fullmatch(text):
            return text
        if len(text) > MAX_DIGITS:
            self.problems.explain(
                mark, f"number {quote(text)}; expected at most {MAX_DIGITS} characters"
            )
            return text
        number = int(text) if _INT.fullmatch(text) else float(text)
        if number in (float("inf"), float("-inf")):
            self.problems.explain(mark, f"number {quote(text)}; expected a finite number")
        return number
