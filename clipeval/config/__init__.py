"""Suites and data-set catalogues: YAML in, checked specs or one located error out."""

from clipeval.config.catalog import builtin_catalog, find_catalog, load_catalog
from clipeval.config.comparison_options import compares_with_baseline
from clipeval.config.options import Overrides
from clipeval.config.overrides import adhoc_suite, override
from clipeval.config.resolve import resolve_dataset, resolve_template
from clipeval.config.schemas import catalog_schema, suite_schema
from clipeval.config.suites import load_suite

__all__ = [
    "Overrides",
    "adhoc_suite",
    "builtin_catalog",
    "catalog_schema",
    "compares_with_baseline",
    "find_catalog",
    "load_catalog",
    "load_suite",
    "override",
    "resolve_dataset",
    "resolve_template",
    "suite_schema",
]
