"""Weights files are not trusted: tensors are read, everything else is refused and named."""

import pickle
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from clipeval.errors import ModelError
from clipeval.models.weights import read_weights, strip_ddp_prefix

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(1.5)}


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


def saved(path, content):
    torch.save(content, path)
    return path


def assert_is_tensors(state_dict):
    assert state_dict.keys() == TENSORS.keys()
    assert all(torch.equal(state_dict[name], tensor) for name, tensor in TENSORS.items())


class TestWhatIsRead:
    @pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
    def test_pickled_state_dict(self, tmp_path, suffix):
        assert_is_tensors(read_weights(saved(tmp_path / f"w{suffix}", OrderedDict(TENSORS))))

    def test_training_checkpoint_with_a_state_dict_inside(self, tmp_path):
        content = {"epoch": 3, "name": "run", "state_dict": TENSORS, "optimizer": {"lr": 0.1}}
        assert_is_tensors(read_weights(saved(tmp_path / "w.pt", content)))

    def test_safetensors(self, tmp_path):
        save_file(TENSORS, tmp_path / "w.safetensors")
        assert_is_tensors(read_weights(tmp_path / "w.safetensors"))


class TestWhatIsRefused:
    def test_malicious_pickle_is_refused_without_running_it(self, tmp_path):
        target = tmp_path / "executed"
        path = tmp_path / "evil.pt"
        torch.save({"a": Payload(target)}, path)
        expected = r"evil\.pt is refused: it holds more than tensors \(it asks for \w+\)"
        with pytest.raises(ModelError, match=expected) as refused:
            read_weights(path)
        assert "weights_only" not in str(refused.value)
        assert not target.exists()
        torch.load(path, weights_only=False)
        assert target.exists()  # the payload works: it was the refusal that kept it from running

    def test_malicious_bare_pickle_is_refused_without_running_it(self, tmp_path):
        target = tmp_path / "executed"
        path = tmp_path / "evil.bin"
        path.write_bytes(pickle.dumps(Payload(target), protocol=2))
        with pytest.raises(ModelError, match="is refused"):
            read_weights(path)
        assert not target.exists()

    def test_torchscript_archive_is_refused(self, tmp_path):
        path = tmp_path / "jit.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # making one is deprecated, meeting one is not over
            torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save(path)
        with pytest.raises(ModelError, match=r"refused: it is a TorchScript archive.*NAME/openai"):
            read_weights(path)

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (torch.zeros(2), "holds a Tensor; expected a dict of tensors"),
            ([torch.zeros(2)], "holds a list"),
            ({}, "holds no tensors"),
            ({"state_dict": {}}, "holds no tensors"),
            ({"state_dict": 3}, "holds a int"),
            ({"model": {"a": torch.zeros(2)}}, "'model' is a dict"),
            ({"a": 1.0}, "'a' is a float"),
            ({3: torch.zeros(2)}, "key 3 is not a string"),
            ({"a": torch.zeros(2, 2).to_sparse()}, r"'a' is a torch\.sparse_coo tensor"),
        ],
    )
    def test_anything_but_a_dict_of_dense_tensors(self, tmp_path, content, what):
        with pytest.raises(ModelError, match=what):
            read_weights(saved(tmp_path / "w.pt", content))

    @pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
    @pytest.mark.parametrize(
        "content", [b"not weights at all", b"\x80\x04N.", b"PK\x03\x04" + b"0" * 80]
    )
    def test_damaged_file(self, tmp_path, suffix, content):
        path = tmp_path / f"w{suffix}"
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"w\.(pt|safetensors)"):
            read_weights(path)

    @pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
    def test_file_that_is_cut_short(self, tmp_path, suffix):
        path = tmp_path / f"w{suffix}"
        save_file(TENSORS, path) if suffix == ".safetensors" else torch.save(TENSORS, path)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(ModelError, match="cut short"):
            read_weights(path)

    def test_numpy_weights(self, tmp_path):
        np.savez(tmp_path / "w.npz", a=np.zeros(2))
        with pytest.raises(ModelError, match="NumPy files are not read"):
            read_weights(tmp_path / "w.npz")

    @pytest.mark.parametrize(
        ("name", "content", "what"),
        [
            (
                "w.onnx",
                b"x",
                r"unknown kind of weights file '\.onnx'; expected one of \.safetensors",
            ),
            ("w.pt", b"", "is empty"),
            ("w.pt", b"hello there", "neither a zip archive nor a pickle.*starts with b'hello"),
            ("w.pt", b"version https://git-lfs.github.com/spec/v1\noid", "git-lfs pointer"),
        ],
    )
    def test_other_files(self, tmp_path, name, content, what):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=what):
            read_weights(tmp_path / name)

    def test_file_that_is_not_there(self, tmp_path):
        with pytest.raises(ModelError, match=r"weights file .*w\.pt is not there"):
            read_weights(tmp_path / "w.pt")
        with pytest.raises(ModelError, match="is a folder"):
            read_weights(tmp_path)


class TestDdpPrefix:
    def test_is_taken_off_when_every_name_has_it(self):
        stripped, was_there = strip_ddp_prefix({f"module.{k}": t for k, t in TENSORS.items()})
        assert_is_tensors(stripped)
        assert was_there

    def test_stays_when_only_some_names_have_it(self):
        mixed = {"module.a": TENSORS["a"], "b": TENSORS["b"]}
        assert strip_ddp_prefix(mixed) == (mixed, False)
