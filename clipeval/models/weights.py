"""Reads weights files, trusting none of them."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from clipeval.errors import ModelError

StateDict = dict[str, torch.Tensor]

PICKLE_SUFFIXES = (".pt", ".pth", ".bin")
WEIGHT_SUFFIXES = (".safetensors", *PICKLE_SUFFIXES)
_DDP_PREFIX = "module."
_LFS_POINTER = b"version https://git-lfs"
_TORCH_STARTS = (b"PK", b"\x80")
"""Of a zip archive, which torch.save writes, and of a pickle, which it wrote before 1.6."""
_CONVERT = "save the state_dict with safetensors.torch.save_file instead"


def read_weights(path: Path) -> StateDict:
    """Read a file of weights onto the CPU.

    Args:
        path: .safetensors, or a pickle (.pt, .pth, .bin) of a state_dict or of
            {"state_dict": state_dict, ...}; pickles are read with weights_only=True.
    Returns:
        Name -> dense tensor, as stored.
    Raises:
        ModelError: the file is missing, damaged, of another format, or holds anything but tensors.
    """
    check_weights_file(path)
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    return _dense_tensors(_read_pickle(path), path)


def strip_ddp_prefix(state_dict: StateDict) -> tuple[StateDict, bool]:
    """Take `module.`, which DistributedDataParallel puts before every name, off again.

    Returns:
        The state_dict, and whether there was a prefix to take off.
    """
    if not all(name.startswith(_DDP_PREFIX) for name in state_dict):
        return state_dict, False
    return {name.removeprefix(_DDP_PREFIX): t for name, t in state_dict.items()}, True


def check_weights_file(path: Path) -> None:
    """Refuse what is no file of weights by its name and its first bytes.

    Raises:
        ModelError: the file is missing, empty, of another format, or a pointer to the weights.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise ModelError(f"weights file {path} {what}")
    suffix = path.suffix.lower()
    if suffix in {".npz", ".npy"}:
        raise ModelError(
            f"{path}: weights in NumPy files are not read: their layout is not open_clip's, and "
            f"they may hold pickles; load them with open_clip once and {_CONVERT}"
        )
    if suffix not in WEIGHT_SUFFIXES:
        raise ModelError(
            f"{path}: unknown kind of weights file '{path.suffix}'; "
            f"expected one of {', '.join(WEIGHT_SUFFIXES)}"
        )
    with path.open("rb") as file:
        start = file.read(len(_LFS_POINTER))
    if not start:
        raise ModelError(f"{path} is empty; copy or download it again")
    if start == _LFS_POINTER:
        raise ModelError(f"{path} is a git-lfs pointer, not weights; run `git lfs pull`")


def _read_safetensors(path: Path) -> StateDict:
    try:
        state_dict = load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read as safetensors: {error}; the file is cut short, damaged or of "
            "another format"
        ) from error
    if not state_dict:
        raise ModelError(f"{path} holds no tensors")
    return state_dict


def _read_pickle(path: Path) -> object:
    with path.open("rb") as file:
        start = file.read(16)
    if not start.startswith(_TORCH_STARTS):
        raise ModelError(
            f"{path} is not a torch checkpoint: it is neither a zip archive nor a pickle, which "
            f"torch.save writes, but starts with {start!r}; check that it is the right file"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # on sparse tensors and old pickles: refused here anyway
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path} is refused: it holds more than tensors{_beyond_tensors(error)}, and "
            f"unpickling that could run code; {_CONVERT}"
        ) from error
    except Exception as error:
        # Arbitrary bytes make an unpickler raise anything; none of it may reach the user raw.
        if "TorchScript" in str(error):
            raise ModelError(
                f"{path} is refused: it is a TorchScript archive, which is code; name the "
                f"published weights as NAME/openai, or {_CONVERT}"
            ) from error
        raise ModelError(
            f"{path} cannot be read as a torch checkpoint: {_first_line(error)}; the file is cut "
            "short, damaged or of another format"
        ) from error


def _dense_tensors(content: object, path: Path) -> StateDict:
    if isinstance(content, Mapping) and "state_dict" in content:
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise ModelError(
            f"{path} holds a {type(content).__name__}; expected a dict of tensors, or a dict with "
            f"one under 'state_dict'"
        )
    if not content:
        raise ModelError(f"{path} holds no tensors")
    for name, value in content.items():
        problem = _problem(name, value)
        if problem:
            raise ModelError(f"{path}: {problem}; expected a dict of dense tensors")
    return dict(content)


def _problem(name: object, value: object) -> str:
    if not isinstance(name, str):
        return f"key {name!r} is not a string"
    if not isinstance(value, torch.Tensor):
        return f"'{name}' is a {type(value).__name__}"
    if value.layout is not torch.strided or value.is_quantized or value.is_meta:
        return f"'{name}' is a {value.layout} tensor of {value.dtype} on {value.device}"
    return ""


def _beyond_tensors(error: pickle.UnpicklingError) -> str:
    """Return what a pickle asked for; PyTorch's advice to read it all the same is not passed on."""
    asked = re.search(r"GLOBAL (\S+)", str(error))
    return f" (it asks for {asked[1]})" if asked else ""


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
