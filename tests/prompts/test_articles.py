from __future__ import annotations

import pytest

from clipeval.prompts.articles import article_before, expected_article


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("a photo of a ", "a"),
        ("A ", "a"),
        ("a photo of an  ", "an"),
        ("a photo of ", None),
        ("a photo of a small ", None),
        ("a photo of a", None),
        ("pizza ", None),
        ('a "', None),
        ("", None),
    ],
)
def test_article_is_found_only_directly_before_the_name(head, expected):
    assert article_before(head) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("apple", "an"),
        ("banana", "a"),
        ("Egyptian cat", "an"),
        ("éclair", "an"),
        ("hourglass", "an"),
        ("honest face", "an"),
        ("house", "a"),
        ("unicorn", "a"),
        ("uniform", "a"),
        ("university", "a"),
        ("uninhabited island", "an"),
        ("umbrella", "an"),
        ("ukulele", "a"),
        ("European robin", "a"),
        ("one-piece swimsuit", "a"),
        ("onion", "an"),
        ("usher", "an"),
        ("u-turn", None),
        ("T-shirt", None),
        ("x-ray", None),
        ("herb", None),
        ("SUV", None),
        ("8", None),
        ("김치", None),
        ("🍎", None),
        ("", None),
    ],
)
def test_article_follows_the_sound_or_has_no_opinion(name, expected):
    assert expected_article(name) == expected
