"""The caption grammar of the embedded model `tiny`: true sentences about a digit scene.

Many captions say the same thing in other words, so that wordings never seen in training work
too. Some words change their meaning with their context: "red" alone is true of red ink and of a
red background, "a red digit" only of the ink; "the number after six" is a seven.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from clipeval.datasets.digit_scenes import COLOURS, DIGIT_WORDS, DigitScene

ANY: Final = -1
"""In a `Caption`: true whatever this part of the scene is."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence, and the scenes that it is true of: those that agree in every part not `ANY`."""

    text: str
    digit: int = ANY
    ink: int = ANY
    background: int = ANY
    either: int = ANY
    """A colour without context: true where the ink or the background has it."""


@dataclass(frozen=True, slots=True)
class Family:
    """Phrases that say the same kind of thing, and how often that kind is drawn."""

    share: float
    phrases: tuple[str, ...]
    framed: bool = True
    """Whether "a photo of" and the like may go in front."""


FRAMES: Final = (
    "a photo of {}",
    "a photo of {}",
    "an image of {}",
    "a picture of {}",
    "a drawing of {}",
    "a close-up of {}",
    "a close-up photo of {}",
    "a photo showing {}",
    "a blurry photo of {}",
    "a low resolution photo of {}",
    "a small picture of {}",
    "a cropped photo of {}",
    "a bright photo of {}",
    "a bad photo of {}",
    "a scan of {}",
    "a thumbnail of {}",
    "this is {}",
    "here is {}",
    "one can see {}",
)
FRAMED_SHARE: Final = 0.55
NUMERAL_SHARE: Final = 0.3

FAMILIES: Final = (
    Family(0.05, ("{digit}",), framed=False),
    Family(
        0.30,
        (
            "{digit}", "a {digit}", "the number {digit}", "the digit {digit}", "number {digit}",
            "digit {digit}", 'the number: "{digit}"', "a handwritten {digit}",
            "the handwritten digit {digit}", "a handwritten number {digit}", "a hand-drawn {digit}",
            "a {digit} written by hand", "the figure {digit}", "the numeral {digit}",
            "the character {digit}", "the symbol {digit}", "a scribbled {digit}",
            "a sloppy {digit}", "a neat {digit}", "a card with a {digit} on it",
            "a card with the number {digit}", "a sheet of paper with the digit {digit}",
            "a {digit} painted on a wall", "a {digit} on a piece of paper",
            "a {digit} in someone's handwriting", "a coloured {digit}", "a single {digit}",
            "a {digit} in some colour", "a house number {digit}", "the value {digit}",
        ),
    ),
    Family(
        0.04,
        (
            "it says {digit}", "it reads {digit}", "someone wrote a {digit}",
            "the digit is {digit}", "the number is a {digit}", "the number shown is {digit}",
            "written here: {digit}", "you can read the number {digit}",
        ),
        framed=False,
    ),
    Family(
        0.04,
        (
            "the number after {before}", "the digit after {before}", "one more than {before}",
            "the digit that follows {before}", "the number before {after}",
            "the digit before {after}", "one less than {after}",
        ),
    ),
    Family(
        0.10,
        (
            "a digit written in {ink}", "a number written in {ink}", "a digit in {ink}",
            "a digit in {ink} ink", "a {ink} digit", "a {ink} number", "{ink} ink",
            "{ink} handwriting", "{ink} writing", "a {ink} numeral", "a {ink} figure",
            "a {ink} character", "a {ink} symbol", "a digit drawn with a {ink} pen",
            "a number drawn in {ink}", "a digit painted in {ink}", "{ink} strokes", "a {ink} line",
            "a handwritten digit in {ink}", "a handwritten {ink} digit",
            "a {ink} handwritten number",
            "a digit of {ink} colour", "a digit with {ink} ink", "something written in {ink}",
            "a number in {ink} letters", "{ink} paint in the shape of a digit",
            "a {ink} pen stroke",
        ),
    ),
    Family(
        0.04,
        (
            "the ink is {ink}", "the digit is {ink}", "the number is {ink}", "written in {ink}",
            "it is written in {ink}", "someone wrote a digit in {ink}", "drawn in {ink}",
            "the colour of the digit is {ink}", "the colour of the ink is {ink}",
        ),
        framed=False,
    ),
    Family(
        0.10,
        (
            "a digit on a {background} background", "a number on a {background} background",
            "a {background} background", "a digit on {background}",
            "a number on {background} paper",
            "{background} paper", "a digit on a {background} card", "a {background} card",
            "a {background} wall with a digit on it", "a digit on a {background} wall",
            "a digit in front of {background}", "a digit against a {background} background",
            "a {background} backdrop", "a number over {background}", "a {background} sheet",
            "a digit surrounded by {background}", "a {background} canvas", "a {background} surface",
            "a {background} page with a number", "a digit with {background} behind it",
            "something written on {background}", "a handwritten digit on {background} paper",
            "{background} all around a digit", "a digit with a {background} background",
        ),
    ),
    Family(
        0.04,
        (
            "the background is {background}", "the paper is {background}", "on {background}",
            "written on {background}", "on a {background} background", "the wall is {background}",
            "the colour of the background is {background}", "it is written on {background} paper",
        ),
        framed=False,
    ),
    Family(0.05, ("{either}",), framed=False),
    Family(
        0.07,
        (
            "{either}", "something {either}", "some {either}", "{either} colour",
            "the colour {either}", "a bit of {either}", "{either} and another colour",
            "{either} things", "a {either} thing", "{either} pixels", "the colour: {either}",
        ),
    ),
    Family(
        0.03,
        (
            "a {either} picture", "a {either} photo", "a {either} image", "it is {either}",
            "there is {either} in it", "a picture with {either} in it",
            "a photo with some {either}", "one of its colours is {either}", "you can see {either}",
        ),
        framed=False,
    ),
    Family(
        0.04,
        (
            "a {ink} {digit}", "a {digit} in {ink}", "a {digit} written in {ink}",
            "the number {digit} in {ink} ink", "the digit {digit} in {ink}",
            "a handwritten {ink} {digit}", "a {digit} drawn with a {ink} pen",
        ),
    ),
    Family(
        0.03,
        (
            "a {digit} on a {background} background", "the digit {digit} on {background}",
            "the number {digit} on {background} paper", "a {background} card with a {digit}",
            "a handwritten {digit} on a {background} background",
        ),
    ),
    Family(
        0.03,
        (
            "{ink} on {background}", "a {ink} digit on a {background} background",
            "{ink} ink on {background} paper", "a digit in {ink} on {background}",
            "a {background} card with a {ink} digit", "a number written in {ink} on {background}",
        ),
    ),
    Family(
        0.04,
        (
            "a {ink} {digit} on a {background} background", "a {digit} in {ink} on {background}",
            "the number {digit} in {ink} on a {background} background",
            "a {digit} written in {ink} on {background} paper",
            "a {background} card with a {ink} {digit}",
            "a handwritten {ink} {digit} on {background}",
        ),
    ),
)  # fmt: skip

DIGIT_FAMILIES: Final = FAMILIES[:3]
"""Those that name the digit, and nothing else."""

_BARE_VOWEL = re.compile(r"\ba (?=[aeiou8])")


def draw_caption(
    scene: DigitScene, random: np.random.Generator, families: tuple[Family, ...]
) -> Caption:
    """Draw a caption that is true of a scene, from some of the `FAMILIES`."""
    phrase = _draw_phrase(scene, random, families)
    either = scene.ink if random.random() < 0.5 else scene.background  # noqa: PLR2004 (a fair coin)
    sentence = phrase.format_map(_words(scene, either, random))
    names_digit = any(slot in phrase for slot in ("{digit}", "{before}", "{after}"))
    return Caption(
        text=_vary_spelling(sentence, random),
        digit=scene.digit if names_digit else ANY,
        ink=scene.ink if "{ink}" in phrase else ANY,
        background=scene.background if "{background}" in phrase else ANY,
        either=either if "{either}" in phrase else ANY,
    )


def _draw_phrase(
    scene: DigitScene, random: np.random.Generator, families: tuple[Family, ...]
) -> str:
    cumulative = np.cumsum([family.share for family in families])
    while True:
        position = np.searchsorted(cumulative, random.random() * cumulative[-1], side="right")
        family = families[int(position)]
        phrase = family.phrases[int(random.integers(len(family.phrases)))]
        # No single digit comes before zero or after nine: draw something else.
        if "{before}" in phrase and scene.digit == 0:
            continue
        if "{after}" in phrase and scene.digit == len(DIGIT_WORDS) - 1:
            continue
        if family.framed and random.random() < FRAMED_SHARE:
            return FRAMES[int(random.integers(len(FRAMES)))].format(phrase)
        return phrase


def _words(scene: DigitScene, either: int, random: np.random.Generator) -> Mapping[str, str]:
    numeral = random.random() < NUMERAL_SHARE
    names = tuple(map(str, range(len(DIGIT_WORDS)))) if numeral else DIGIT_WORDS
    return {
        "digit": names[scene.digit],
        "before": names[scene.digit - 1],
        "after": names[(scene.digit + 1) % len(names)],
        "ink": COLOURS[scene.ink],
        "background": COLOURS[scene.background],
        "either": COLOURS[either],
    }


def _vary_spelling(sentence: str, random: np.random.Generator) -> str:
    """Vary what a template's author may or may not do: articles, full stops, British spelling."""
    # People fill "a {} digit" with "orange" and leave the article as it is: both forms occur.
    fixes_article, has_full_stop, is_american = random.random(3) < (0.7, 0.3, 0.5)
    if fixes_article:
        sentence = _BARE_VOWEL.sub("an ", sentence)
    if is_american:
        sentence = sentence.replace("colour", "color")
    return f"{sentence}." if has_full_stop else sentence
