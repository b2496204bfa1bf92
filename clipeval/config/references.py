"""What the parts of a suite say about each other: names that must exist, apply, and occur once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from clipeval.config.problems import quote
from clipeval.config.suite_models import SuiteModel
from clipeval.config.validation import allowed_text, unknown_name
from clipeval.config.yaml_nodes import Document

Step = str | int


def check_references(
    suite: SuiteModel, document: Document, *, catalog: Collection[str], failed: Collection[str]
) -> None:
    """Add every broken reference to the document's problems.

    Args:
        suite: validated; keys in `failed` hold stand-ins, which nothing is checked against.
        document: gives places, takes problems.
        catalog: keys of the data sets that exist.
        failed: top-level keys of the suite that did not validate.
    """
    checker = _Checker(suite, document, frozenset(failed))
    if "datasets" not in failed:
        checker.names(suite.datasets, ("datasets",), catalog, "data set")
    for key in {"datasets", "models", "devices", "precisions"} - set(failed):
        checker.repeats(key)
    if not {"templates", "datasets"} & set(failed):
        checker.templates()
    checker.reference()


def reference_templates(suite: SuiteModel) -> dict[str, str]:
    """Return data set -> id of its reference template."""
    template = suite.reference.template if suite.reference else None
    if template is None:
        return {}
    return dict.fromkeys(suite.datasets, template) if isinstance(template, str) else dict(template)


@dataclass(frozen=True, slots=True)
class _Checker:
    suite: SuiteModel
    document: Document
    failed: frozenset[str]

    def names(
        self, names: Sequence[str], path: tuple[Step, ...], known: Collection[str], what: str
    ) -> None:
        """Report the names in the list at `path` that are not known."""
        for index, name in enumerate(names):
            self._name(name, (*path, index), known, what)

    def _name(self, name: str, path: tuple[Step, ...], known: Collection[str], what: str) -> None:
        if name not in known:
            self._add(path, unknown_name(name, known, what))

    def _add(self, path: tuple[Step, ...], message: str) -> None:
        self.document.problems.add(self.document.mark(*path), message)

    def repeats(self, key: str) -> None:
        """Report items of a top-level list that occur twice, and models with the same id."""
        seen: dict[str, int] = {}
        for index, item in enumerate(getattr(self.suite, key)):
            name = item if isinstance(item, str) else item.id
            if name in seen:
                line = self.document.mark(key, seen[name]).line
                self._add(
                    (key, index), f"{quote(name)} is already on line {line}; expected it once"
                )
            seen.setdefault(name, index)

    def templates(self) -> None:
        """Report templates for other data sets than the suite's, and data sets without template."""
        for template_id, datasets in self.suite.template_datasets().items():
            path = ("templates", template_id, "datasets")
            self.names(datasets, path, self.suite.datasets, "data set of this suite")
        for index, key in enumerate(self.suite.datasets):
            if not self.suite.templates_for(key):
                self._add(
                    ("datasets", index),
                    f"no template applies to {quote(key)}; expected at least one: add it to the "
                    "'datasets' of a template",
                )

    def reference(self) -> None:
        """Report reference names that do not exist, and templates that do not apply."""
        reference = self.suite.reference
        if reference is None:
            return
        if reference.model is not None and "models" not in self.failed:
            self._name(reference.model, ("reference", "model"), self.suite.model_ids(), "model id")
        template = reference.template
        if isinstance(template, str):
            self._reference_everywhere(template)
        for key, template_id in template.items() if isinstance(template, dict) else ():
            self._reference_of(key, template_id)

    def _reference_everywhere(self, template: str) -> None:
        path = ("reference", "template")
        if "templates" in self.failed:
            return
        if template not in self.suite.templates:
            self._add(path, unknown_name(template, self.suite.templates, "template id"))
        elif "datasets" not in self.failed:
            left_out = [
                key for key in self.suite.datasets if template not in self.suite.templates_for(key)
            ]
            if left_out:
                self._add(
                    path,
                    f"template {quote(template)} does not apply to {allowed_text(left_out)}; "
                    "expected one per data set: a mapping of data set to template id",
                )

    def _reference_of(self, key: str, template: str) -> None:
        if "datasets" not in self.failed and key not in self.suite.datasets:
            message = unknown_name(key, self.suite.datasets, "data set of this suite")
            place = self.document.key_mark("reference", "template", key)
            self.document.problems.add(place, message)
        elif not {"templates", "datasets"} & self.failed:
            applying = self.suite.templates_for(key)
            what = f"template of {quote(key)}"
            self._name(template, ("reference", "template", key), applying, what)
