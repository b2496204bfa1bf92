"""A list of images that was cut short is never presented as all there are."""

from __future__ import annotations

import pytest

from clipeval.records.gate_images import images_account
from tests.report.conftest import make_gate


@pytest.mark.parametrize(
    ("n_named", "n_behind", "account"),
    [
        (1, 1, "1 image"),
        (20, 20, "20 images"),
        (20, 1045, "20 of 1,045 images"),
        (20, None, "20 images and maybe more"),
        (3, None, "3 images"),
    ],
)
def test_account(n_named, n_behind, account):
    images = tuple(f"s{i}" for i in range(n_named))
    assert images_account(make_gate(images=images, n_behind=n_behind)) == account
