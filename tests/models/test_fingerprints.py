"""A fingerprint is of what is loaded, not of the file that it came in."""

import hashlib

import torch

from clipeval.models.fingerprints import hash_file, hash_json, hash_weights


def test_weights_hash_is_of_names_types_shapes_and_bytes():
    tensor = torch.tensor([[1.0, 2.0]])
    written_out = b"w|torch.float32|(1, 2)\n" + b"\x00\x00\x80\x3f" + b"\x00\x00\x00\x40"
    assert hash_weights({"w": tensor}) == hashlib.sha256(written_out).hexdigest()


def test_weights_hash_does_not_depend_on_the_order_of_names():
    a, b = torch.zeros(2), torch.ones(3)
    assert hash_weights({"a": a, "b": b}) == hash_weights({"b": b, "a": a})


def test_weights_hash_does_not_depend_on_strides():
    tensor = torch.arange(6.0).reshape(2, 3)
    assert hash_weights({"w": tensor.T.contiguous().T}) == hash_weights({"w": tensor})


def test_weights_hash_changes_with_one_value_a_name_a_shape_or_a_type():
    tensor = torch.arange(4.0)
    changed = tensor.clone()
    changed[2] += 1e-6
    others = [
        {"w": changed},
        {"v": tensor},
        {"w": tensor.reshape(2, 2)},
        {"w": tensor.half()},
        {"w": tensor.bfloat16()},
        {"w": tensor, "x": torch.tensor(0)},
    ]
    hashes = {hash_weights(other) for other in [{"w": tensor}, *others]}
    assert len(hashes) == len(others) + 1


def test_weights_of_no_dimension_and_of_no_elements_are_hashed():
    assert hash_weights({"w": torch.tensor(1.0)}) != hash_weights({"w": torch.zeros(0)})


def test_json_hash_does_not_depend_on_the_order_of_keys():
    assert hash_json({"a": 1, "b": (2, 3)}) == hash_json({"b": [2, 3], "a": 1})


def test_file_hash_is_sha256_of_the_bytes(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert hash_file(tmp_path / "f") == hashlib.sha256(b"abc").hexdigest()
