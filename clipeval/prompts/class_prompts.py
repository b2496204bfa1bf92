"""The prompts of every class of a data set, made from templates or taken from a mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipeval.errors import PromptError, did_you_mean
from clipeval.prompts.messages import SHOWN, listing, place
from clipeval.prompts.templates import split_template
from clipeval.records import ClassLabel, TemplateSpec


@dataclass(frozen=True, slots=True)
class ClassPrompts:
    """Prompts class by class, in the order of the data set's classes."""

    class_names: tuple[str, ...]
    """(C) display names."""
    prompts: tuple[tuple[str, ...], ...]
    """(C) prompts of each class, at least one."""

    @property
    def flat(self) -> tuple[str, ...]:
        """Every prompt, class by class."""
        return tuple(prompt for of_class in self.prompts for prompt in of_class)

    @property
    def per_class(self) -> tuple[int, ...]:
        """(C) number of prompts of each class."""
        return tuple(len(of_class) for of_class in self.prompts)


def render_prompts(
    template: TemplateSpec, classes: Sequence[ClassLabel], *, where: str
) -> ClassPrompts:
    """Make the prompts of every class.

    Args:
        template: templates are filled with every name of a class, template by template; prompts per
            class are looked up by the class's display name or by its key, exactly. Entries of the
            mapping that no class asks for are left out.
        classes: (C) classes of the data set, in its order.
        where: `file:line` or the like, put in front of errors.
    Raises:
        PromptError: the template has neither or both kinds of prompts, a template cannot be filled,
            a class has no name, or a class has no prompts of its own.
    """
    at = place(where)
    for label in classes:
        if not label.names:
            raise PromptError(f"{at}class '{label.key}' has no name to put into prompts")
    if template.class_prompts is not None and template.templates:
        raise PromptError(
            f"{at}template '{template.id}' has both templates and prompts per class; "
            "keep one of them"
        )
    names = tuple(label.names[0] for label in classes)
    if template.class_prompts is not None:
        return ClassPrompts(names, _look_up(template.class_prompts, classes, template.id, where))
    if not template.templates:
        raise PromptError(
            f"{at}template '{template.id}' is empty; "
            "give at least one template like 'a photo of a {}'"
        )
    parts = [split_template(text, where=where) for text in template.templates]
    prompts = tuple(
        tuple(f"{head}{name}{tail}" for head, tail in parts for name in label.names)
        for label in classes
    )
    return ClassPrompts(names, prompts)


def _look_up(
    mapping: Mapping[str, tuple[str, ...]],
    classes: Sequence[ClassLabel],
    template: str,
    where: str,
) -> tuple[tuple[str, ...], ...]:
    entries = [_entry(mapping, label, template, where) for label in classes]
    missing = [label for label, entry in zip(classes, entries, strict=True) if entry is None]
    if missing:
        # Nearest names for those shown alone: for a thousand classes the search takes half a minute.
        near = [did_you_mean(label.names[0], mapping) for label in missing[:SHOWN]]
        gaps = [f"'{label.names[0]}'{hint}" for label, hint in zip(missing, near, strict=False)]
        gaps += [f"'{label.names[0]}'" for label in missing[SHOWN:]]
        raise PromptError(
            f"{place(where)}template '{template}' has no prompts for {len(missing)} of "
            f"{len(classes)} classes: {listing(gaps)}; add an entry under the class's name or key, "
            "spelt exactly so"
        )
    found = [entry for entry in entries if entry is not None]
    _refuse_shared(found, classes, template, where)
    for entry in found:
        if not mapping[entry] or not all(prompt.strip() for prompt in mapping[entry]):
            raise PromptError(
                f"{place(where)}template '{template}', class '{entry}': expected a list of "
                "prompts, none of them empty"
            )
    return tuple(tuple(mapping[entry]) for entry in found)


def _entry(
    mapping: Mapping[str, tuple[str, ...]], label: ClassLabel, template: str, where: str
) -> str | None:
    """Return the entry that holds the prompts of a class, or None if there is none."""
    name, key = label.names[0], label.key
    if name in mapping and key in mapping and mapping[name] != mapping[key]:
        raise PromptError(
            f"{place(where)}template '{template}' has prompts under '{name}' (the name) and "
            f"different ones under '{key}' (the key) of the same class; keep one of them"
        )
    return next((candidate for candidate in (name, key) if candidate in mapping), None)


def _refuse_shared(
    entries: Sequence[str], classes: Sequence[ClassLabel], template: str, where: str
) -> None:
    owners: dict[str, ClassLabel] = {}
    for entry, label in zip(entries, classes, strict=True):
        other = owners.setdefault(entry, label)
        if other is not label:
            raise PromptError(
                f"{place(where)}template '{template}', prompts '{entry}': both class '{other.key}' "
                f"(named '{other.names[0]}') and class '{label.key}' (named '{label.names[0]}') "
                "would take them; give an entry for each of the two names"
            )
