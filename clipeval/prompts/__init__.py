"""Templates and class names -> the prompts of every class, checked before any model reads them."""

from clipeval.prompts.checks import check_prompts, check_tokens, find_duplicate_templates
from clipeval.prompts.class_names import check_class_names
from clipeval.prompts.class_prompts import ClassPrompts, render_prompts
from clipeval.prompts.named_sets import (
    named_set,
    named_set_for_torchvision,
    named_set_source,
    named_sets,
)
from clipeval.prompts.prompt_files import load_class_prompts
from clipeval.prompts.templates import check_template, fill, template_id

__all__ = [
    "ClassPrompts",
    "check_class_names",
    "check_prompts",
    "check_template",
    "check_tokens",
    "fill",
    "find_duplicate_templates",
    "load_class_prompts",
    "named_set",
    "named_set_for_torchvision",
    "named_set_source",
    "named_sets",
    "render_prompts",
    "template_id",
]
