"""What is known at the end of a session alone, added to the junit file that pytest wrote: comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from clipeval.pytest_plugin.outcome import (
    CELL,
    SUITE,
    comparison_properties,
    one_line,
)

if TYPE_CHECKING:
    from clipeval.api import FinishedRun
    from clipeval.records import Comparison

Place = tuple[str, str]
"""Suite and cell."""


def add_comparisons(file: Path, runs: Sequence[FinishedRun]) -> str | None:
    """Add each cell's comparisons to the properties of the test cases that evaluated it.

    pytest has closed a test case long before the last cell is evaluated, here or on another worker;
    so its file is read and written again.

    Args:
        file: as pytest wrote it.
        runs: whose comparisons to add.
    Returns:
        Why it could not be done; None if it was.
    """
    compared: dict[Place, list[Comparison]] = {}
    for run in runs:
        for one in run.record.comparisons:
            compared.setdefault((run.record.suite, one.candidate), []).append(one)
    if not compared:
        return None
    try:
        tree = ET.parse(file)  # noqa: S314 (pytest has just written it)
        for properties in tree.iter("properties"):
            _add(properties, compared)
        tree.write(file, encoding="utf-8", xml_declaration=True)
    except (OSError, ET.ParseError) as error:
        return f"{file}: comparisons are not added to junit: {error}"
    return None


def _add(properties: ET.Element, compared: Mapping[Place, Iterable[Comparison]]) -> None:
    """Add what the cells of one test case were compared with, numbered through."""
    found = [one for place in _places(properties) for one in compared.get(place, ())]
    for number, one in enumerate(found, start=1):
        for name, value in comparison_properties(one, number):
            attributes = {"name": name, "value": one_line(str(value))}
            ET.SubElement(properties, "property", attributes)


def _places(properties: ET.Element) -> list[Place]:
    """Return the cells that a test case evaluated; a test in Python may evaluate several."""
    places: dict[Place, None] = {}
    suite = ""
    for one in properties:
        if one.get("name") == SUITE:
            suite = one.get("value", "")
        elif one.get("name") == CELL:
            places[suite, one.get("value", "")] = None
    return list(places)
