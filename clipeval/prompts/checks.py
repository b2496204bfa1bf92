"""Checks of finished prompts: wording, repeats, and what the tokenizer makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clipeval.errors import PromptError
from clipeval.prompts.articles import article_before, expected_article
from clipeval.prompts.class_prompts import ClassPrompts
from clipeval.prompts.messages import listing, place
from clipeval.prompts.templates import PLACEHOLDER, canonical, split_template
from clipeval.records import Notice, TemplateSpec

_TokenSequences = frozenset[tuple[int, ...]]


def check_prompts(prompts: ClassPrompts, template: TemplateSpec) -> tuple[Notice, ...]:
    """Check the wording of prompts that render_prompts made from this template.

    Returns:
        At most one notice each of `article` ('a apple'), `duplicate-template`, and for prompts per
        class `duplicate-prompt` and `placeholder-in-prompt`. The wording of named sets (`@...`) is
        published and stays as it is: no notice about articles there.
    Raises:
        PromptError: the template is one that check_template refuses.
    """
    if template.class_prompts is not None:
        return (*_repeated_prompts(prompts, template), *_unfilled_prompts(prompts, template))
    return (*_articles(prompts, template), *_repeated_templates(template))


def find_duplicate_templates(templates: Sequence[TemplateSpec]) -> tuple[Notice, ...]:
    """Return one `duplicate-template` notice per template that asks the same as an earlier one.

    The order within an ensemble, blanks, and `{c}` against `{}` make no difference.
    """
    first: dict[object, str] = {}
    notices: list[Notice] = []
    for template in templates:
        earlier = first.setdefault(_content(template), template.id)
        if earlier != template.id:
            message = (
                f"{place(template.where)}templates '{earlier}' and '{template.id}' have the same "
                "text, so their results will be equal; remove one of them"
            )
            notices.append(Notice("duplicate-template", message))
    return tuple(notices)


def check_tokens(
    prompts: ClassPrompts,
    token_ids: Callable[[str], tuple[int, ...]],
    *,
    context_length: int,
    where: str,
) -> dict[str, tuple[int, ...]]:
    """Refuse prompts that the model would read cut short, and classes that it could not tell apart.

    Args:
        prompts: prompts of all classes.
        token_ids: the model's own tokenizer: a prompt -> all of its ids, not cut, not padded, start
            and end tokens included. Called once for each distinct prompt.
        context_length: how many ids the text tower takes.
        where: what is checked, put in front of errors.
    Returns:
        The ids of each distinct prompt.
    Raises:
        PromptError: a prompt has more ids than context_length, or two classes have the same set of
            token sequences.
    """
    ids = {prompt: tuple(token_ids(prompt)) for prompt in dict.fromkeys(prompts.flat)}
    too_long = [prompt for prompt, sequence in ids.items() if len(sequence) > context_length]
    if too_long:
        longest = max(too_long, key=lambda prompt: len(ids[prompt]))
        others = f" ({len(too_long) - 1} more are too long as well)" if len(too_long) > 1 else ""
        raise PromptError(
            f"{place(where)}prompt '{longest}' has {len(ids[longest])} tokens, but the model reads "
            f"{context_length}: {len(ids[longest]) - context_length} too many{others}; shorten the "
            "template or the class name, prompts are never cut silently"
        )
    seen: dict[_TokenSequences, int] = {}
    for index, of_class in enumerate(prompts.prompts):
        other = seen.setdefault(frozenset(ids[prompt] for prompt in of_class), index)
        if other != index:
            raise PromptError(
                f"{place(where)}classes '{prompts.class_names[other]}' and "
                f"'{prompts.class_names[index]}' have identical token sequences (the first prompts "
                f"are '{prompts.prompts[other][0]}' and '{of_class[0]}'), so the model cannot tell "
                "them apart; give one of them another name (class_names) or other prompts"
            )
    return ids


def _articles(prompts: ClassPrompts, template: TemplateSpec) -> tuple[Notice, ...]:
    if template.origin.startswith("@"):
        return ()
    wrong: list[str] = []
    for position, text in enumerate(template.templates):
        head, tail = split_template(text)
        article = article_before(head)
        if article is None:
            continue
        for of_class in prompts.prompts:
            n_names = len(of_class) // len(template.templates)
            for prompt in of_class[position * n_names : (position + 1) * n_names]:
                name = prompt[len(head) : len(prompt) - len(tail)]
                if expected_article(name) not in (None, article):
                    wrong.append(f"'{prompt}'")
    if not wrong:
        return ()
    message = (
        f"{place(template.where)}template '{template.id}': the article does not fit the class "
        f"name in {len(wrong)} {'prompt' if len(wrong) == 1 else 'prompts'}: {listing(wrong)}; "
        "choose a wording without a/an, such as 'a photo of the {}'"
    )
    return (Notice("article", message),)


def _repeated_templates(template: TemplateSpec) -> tuple[Notice, ...]:
    repeated = _repeats([canonical(text) for text in template.templates])
    if not repeated:
        return ()
    message = (
        f"{place(template.where)}template '{template.id}' repeats "
        f"{listing([repr(text) for text in repeated])}; each repeat counts again in the ensemble's "
        "mean, so keep one"
    )
    return (Notice("duplicate-template", message),)


def _repeated_prompts(prompts: ClassPrompts, template: TemplateSpec) -> tuple[Notice, ...]:
    repeats = [
        (name, prompt)
        for name, of_class in zip(prompts.class_names, prompts.prompts, strict=True)
        for prompt in _repeats(of_class)
    ]
    if not repeats:
        return ()
    name, prompt = repeats[0]
    message = (
        f"{place(template.where)}template '{template.id}': {len(repeats)} of {len(prompts.flat)} "
        f"prompts repeat another one of their class (the first: '{prompt}' of class '{name}'); "
        "each repeat counts again in the class's mean, so remove it unless that is meant"
    )
    return (Notice("duplicate-prompt", message),)


def _unfilled_prompts(prompts: ClassPrompts, template: TemplateSpec) -> tuple[Notice, ...]:
    unfilled = [prompt for prompt in prompts.flat if PLACEHOLDER.search(prompt)]
    if not unfilled:
        return ()
    message = (
        f"{place(template.where)}template '{template.id}': prompts per class are not filled in, so "
        f"the model will read the braces in {listing([repr(prompt) for prompt in unfilled])}; "
        "write the class name out"
    )
    return (Notice("placeholder-in-prompt", message),)


def _repeats(texts: Sequence[str]) -> list[str]:
    """Return the texts that an earlier one equals, as often as they repeat it."""
    seen: set[str] = set()
    repeated: list[str] = []
    for text in texts:
        if text in seen:
            repeated.append(text)
        seen.add(text)
    return repeated


def _content(template: TemplateSpec) -> object:
    """Return what a template asks, as a value that is equal for templates that ask the same."""
    if template.class_prompts is not None:
        return frozenset(
            (name, tuple(sorted(prompts))) for name, prompts in template.class_prompts.items()
        )
    return tuple(sorted(canonical(text) for text in template.templates))
