from __future__ import annotations

import pytest

from clipeval.records import ClassLabel, TemplateSpec


@pytest.fixture(scope="session")
def label():
    """Make a class whose key and names are the same text unless said otherwise."""

    def make(*names: str, key: str | None = None) -> ClassLabel:
        return ClassLabel(key=names[0] if key is None else key, names=names)

    return make


@pytest.fixture(scope="session")
def ensemble():
    """Make a template spec from template texts."""

    def make(
        *templates: str, spec_id: str = "t", origin: str = "inline", where: str = ""
    ) -> TemplateSpec:
        return TemplateSpec(id=spec_id, templates=templates, origin=origin, where=where)

    return make
