"""Checks of class names, before they go into any prompt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from clipeval.errors import PromptError
from clipeval.prompts.messages import listing, place
from clipeval.records import ClassLabel, Notice

# Two small letters before the capital: 'AnnualCrop' and 'dogBed', but not 'iPod' or 'McLaren'.
_CAMEL_CASE = re.compile(r"[a-z]{2}[A-Z]")

_ADVICE = {
    "underscore-in-class-name": "class names have underscores, where a model reads words; "
    "give names with blanks (class_names)",
    "camel-case-in-class-name": "class names are in camel case, where a model reads words; "
    "give names with blanks (class_names)",
    "blanks-in-class-name": "class names have leading, trailing or double blanks, which go into "
    "prompts as they are; remove them (class_names)",
    "repeated-alias": "names are given twice for one class, where each counts again in its mean; "
    "keep one (aliases)",
    "shared-alias": "names are given to two classes, which makes the two alike; "
    "give each class its own (aliases)",
}


def check_class_names(classes: Sequence[ClassLabel], *, where: str = "") -> tuple[Notice, ...]:
    """Check what prompts will call the classes, aliases included.

    Args:
        classes: classes of one data set.
        where: `file:line` or the like, put in front of messages.
    Returns:
        At most one notice each of `underscore-in-class-name`, `camel-case-in-class-name`,
        `blanks-in-class-name`, `repeated-alias` and `shared-alias`, each naming what it is about.
    Raises:
        PromptError: a class has no name or an empty one, a name is not valid Unicode, or two
            classes have the same display name, upper and lower case and blanks aside.
    """
    for label in classes:
        _refuse_unusable(label, where)
    _refuse_same_names(classes, where)
    names = [name for label in classes for name in label.names]
    affected = {
        "underscore-in-class-name": [name for name in names if "_" in name],
        "camel-case-in-class-name": [name for name in names if _is_camel_case(name)],
        "blanks-in-class-name": [name for name in names if name != " ".join(name.split())],
        "repeated-alias": _repeated_aliases(classes),
        "shared-alias": _shared_aliases(classes),
    }
    return tuple(
        Notice(code, f"{place(where)}{_ADVICE[code]}: {listing([repr(name) for name in found])}")
        for code, found in affected.items()
        if found
    )


def _refuse_unusable(label: ClassLabel, where: str) -> None:
    if not label.names:
        raise PromptError(
            f"{place(where)}class '{label.key}' has no name; give it one (class_names)"
        )
    for name in label.names:
        if not name.strip():
            raise PromptError(
                f"{place(where)}class '{label.key}' has an empty name; give it one (class_names)"
            )
        try:
            name.encode("utf-8")
        except UnicodeEncodeError as error:
            raise PromptError(
                f"{place(where)}class {name!a} is not valid Unicode, as file names from other "
                "systems may be; give it a readable name (class_names)"
            ) from error


def _refuse_same_names(classes: Sequence[ClassLabel], where: str) -> None:
    seen: dict[str, ClassLabel] = {}
    for label in classes:
        other = seen.setdefault(_folded(label.names[0]), label)
        if other is not label:
            raise PromptError(
                f"{place(where)}two classes have the same name: '{other.names[0]}' "
                f"(key '{other.key}') and '{label.names[0]}' (key '{label.key}'); no prompt "
                "can tell them apart, so give one of them another name (class_names)"
            )


def _repeated_aliases(classes: Sequence[ClassLabel]) -> list[str]:
    return [
        name
        for label in classes
        for position, name in enumerate(label.names)
        if _folded(name) in {_folded(earlier) for earlier in label.names[:position]}
    ]


def _shared_aliases(classes: Sequence[ClassLabel]) -> list[str]:
    owner: dict[str, int] = {}
    return [
        name
        for index, label in enumerate(classes)
        for name in label.names
        if owner.setdefault(_folded(name), index) != index
    ]


def _is_camel_case(name: str) -> bool:
    """Say whether a name is words run together; capitals inside a name with blanks are its own."""
    return len(name.split()) == 1 and _CAMEL_CASE.search(name) is not None


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())
