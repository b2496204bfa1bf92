"""Building towers without weights."""

import open_clip
import pytest
import torch

from clipeval.models import architectures, load_model
from clipeval.records import ModelSpec


class TestDrawing:
    @pytest.mark.parametrize(
        "draw",
        [
            torch.nn.init.normal_,
            torch.nn.init.uniform_,
            torch.nn.init.trunc_normal_,
            torch.nn.init.xavier_uniform_,
            torch.nn.init.kaiming_uniform_,
            torch.Tensor.normal_,
            torch.Tensor.uniform_,
            lambda tensor: torch.nn.init.normal_(tensor=tensor),
        ],
    )
    def test_nothing_is_drawn_where_weights_will_replace_it(self, draw):
        tensor = torch.zeros(4, 4)
        with architectures._NothingDrawn():
            assert draw(tensor) is tensor
        assert not tensor.any()
        assert draw(tensor).any()

    def test_weights_fill_everything_that_was_not_drawn(self, tmp_path):
        """Memory that was never written would show as a difference between two loads, or as NaN."""
        source = open_clip.create_model("ViT-B-32-quickgelu")
        torch.save(source.state_dict(), tmp_path / "weights.pt")
        spec = ModelSpec(
            id="x", kind="checkpoint", name="ViT-B-32", checkpoint=tmp_path / "weights.pt",
            quick_gelu=True,
        )  # fmt: skip
        loaded = load_model(spec).module
        for name, expected in source.named_parameters():
            torch.testing.assert_close(loaded.get_parameter(name), expected, rtol=0, atol=0)
        for name, expected in source.named_buffers():  # those that no file holds, too
            torch.testing.assert_close(loaded.get_buffer(name), expected, rtol=0, atol=0)
