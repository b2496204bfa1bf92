"""Templates as suites write them."""

from __future__ import annotations

from pathlib import Path

from clipeval import prompts
from clipeval.config.paths import resolve_path
from clipeval.config.suite_models import TemplateEntry
from clipeval.records import TemplateSpec


def template_spec(
    template_id: str, value: str | list[str] | TemplateEntry, *, base: Path, where: str
) -> TemplateSpec:
    """Turn a validated template into a spec; named sets and files of prompts are read.

    Args:
        template_id: its id.
        value: what the suite says; texts have passed the checks of `clipeval.prompts`.
        base: folder that a file of prompts is relative to.
        where: `file:line:column`, kept for messages.
    Raises:
        PromptError: the named set is unknown, or the file of prompts is wrong.
        ConfigError: the file's path is unusable.
    """
    if isinstance(value, str) and value.startswith("@"):
        templates = tuple(prompts.named_set(value[1:]))
        return TemplateSpec(id=template_id, templates=templates, origin=value, where=where)
    if isinstance(value, str):
        return TemplateSpec(id=template_id, templates=(value,), where=where)
    if isinstance(value, list):
        return TemplateSpec(id=template_id, templates=tuple(value), where=where)
    if value.prompts is not None:
        return template_spec(template_id, value.prompts, base=base, where=where)
    if value.class_prompts is not None:
        own = {name: tuple(texts) for name, texts in value.class_prompts.items()}
        return TemplateSpec(id=template_id, class_prompts=own, where=where)
    assert value.class_prompts_file is not None
    return template_from_file(template_id, value.class_prompts_file, base=base, where=where)


def template_from_file(template_id: str, name: str, *, base: Path, where: str) -> TemplateSpec:
    """Read prompts per class from a JSON file.

    Raises:
        PromptError: the file is wrong.
        ConfigError: its path is unusable.
    """
    class_prompts = prompts.load_class_prompts(resolve_path(name, base=base))
    return TemplateSpec(id=template_id, class_prompts=class_prompts, origin=name, where=where)
