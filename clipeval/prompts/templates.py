"""One template: which texts are templates, and how a class name goes into one.

Only `{}` and `{c}` are placeholders. They are replaced literally, never by str.format, so that
braces in class names and elsewhere in a template are plain characters. A brace expression that
str.format would fill (`{0}`, `{name}`, `{{}}`) is refused: it is nearly surely a mistake.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

from clipeval.errors import PromptError
from clipeval.prompts.messages import place

PLACEHOLDER = re.compile(r"\{c?\}")
_ESCAPED = re.compile(r"\{\{\s*c?\s*\}\}")
_FORMAT_FIELD = re.compile(r"\{\s*[\w.\[\]]*\s*(?:![^{}]*)?(?::[^{}\s]*)?\}")
_OTHER_TOOLS = re.compile(r"%s|%\(\w+\)s|\$\{?\w+\}?|<\w+>|\[\w+\]")

_ID_LENGTH = 48
_HASH_LENGTH = 6


def check_template(text: str, *, where: str = "") -> None:
    """Refuse a text that does not say once where the class name goes.

    Args:
        text: a template, with one `{}` or `{c}`.
        where: `file:line` or option name, put in front of errors.
    Raises:
        PromptError: empty, no placeholder, more than one, or a brace expression that is neither
            `{}` nor `{c}` but looks like one.
    """
    split_template(text, where=where)


def fill(template: str, class_name: str) -> str:
    """Put a class name in place of the placeholder, character by character as it is.

    Args:
        template: passes check_template.
        class_name: any text; braces in it are kept.
    Raises:
        PromptError: the template is one that check_template refuses.
    """
    head, tail = split_template(template)
    return f"{head}{class_name}{tail}"


def split_template(text: str, *, where: str = "") -> tuple[str, str]:
    """Return what stands before and after the placeholder.

    Raises:
        PromptError: as check_template.
    """
    at = place(where)
    if not text.strip():
        raise PromptError(f"{at}the template is empty; write one like 'a photo of a {{}}'")
    if escaped := _ESCAPED.search(text):
        raise PromptError(
            f"{at}template '{text}' has '{escaped[0]}'; braces need no doubling here, "
            "write {} where the class name goes"
        )
    for field in _FORMAT_FIELD.finditer(text):
        if not PLACEHOLDER.fullmatch(field[0]):
            raise PromptError(
                f"{at}template '{text}' has '{field[0]}', which is not a placeholder; "
                "write {} or {c} where the class name goes"
            )
    found = list(PLACEHOLDER.finditer(text))
    if not found:
        raise PromptError(f"{at}template '{text}' has no placeholder{_instead(text)}")
    if len(found) > 1:
        raise PromptError(
            f"{at}template '{text}' has {len(found)} placeholders "
            f"({', '.join(match[0] for match in found)}), expected exactly one; write the class "
            "name once, or give class-specific prompts"
        )
    return text[: found[0].start()], text[found[0].end() :]


def canonical(text: str) -> str:
    """Return the template with `{}` for either placeholder and single blanks, to compare."""
    return " ".join(PLACEHOLDER.sub("{}", text).split())


def template_id(text: str) -> str:
    """Make a short id for a template that was given without one.

    The id has lower-case ASCII letters, digits and hyphens, at most 48. Where letters had to be
    left out, a hash of the text keeps ids of different templates apart; templates that differ in
    punctuation alone have the same id.

    Examples: `a photo of a {}` gives `a-photo-of-a`, `{}` alone gives `class-name`.
    """
    words = PLACEHOLDER.sub(" ", text)
    ascii_words = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode("ascii")
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_words.lower()).strip("-")
    lost = any(_is_lost(char) for char in words)
    if not slug and not lost:
        return "class-name"
    if not lost and len(slug) <= _ID_LENGTH:
        return slug
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    kept = slug[: _ID_LENGTH - _HASH_LENGTH - 1].strip("-") or "template"
    return f"{kept}-{digest}"


def _is_lost(char: str) -> bool:
    """Say whether a letter or digit has nothing left of it in ASCII."""
    return char.isalnum() and not unicodedata.normalize("NFKD", char).encode("ascii", "ignore")


def _instead(text: str) -> str:
    """Return the end of the no-placeholder message, naming what another tool would have filled."""
    if other := _OTHER_TOOLS.search(text):
        return f"; write {{}} in place of '{other[0]}'"
    return f"; write {{}} where the class name goes, as in '{text.rstrip(' .')} {{}}'"
