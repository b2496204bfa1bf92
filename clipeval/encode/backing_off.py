"""A tower that is asked for less at a time when memory does not suffice."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Any, Generic, Literal, TypeVar, cast

import torch

from clipeval.devices import is_out_of_memory, release_unused_memory
from clipeval.errors import EncodingError
from clipeval.models import ClipModel
from clipeval.records import Notice

_Batch = TypeVar("_Batch", bound=Sized)


class BackingOff(Generic[_Batch]):
    """Runs a tower of a model, with a batch half the size whenever memory does not suffice."""

    def __init__(
        self,
        model: ClipModel,
        run: Callable[[_Batch], torch.Tensor],
        batch_size: int,
        *,
        unit: Literal["images", "prompts", "packs of prompts"],
    ) -> None:
        """Wrap a tower.

        Args:
            model: whose tower it is, for errors and for the device.
            run: takes a batch, or a slice of one; gives (R, D) features, some for each of it.
            batch_size: passed to `run` at once, at most.
            unit: what a batch is of, for messages.
        """
        self._model = model
        self._limit = batch_size
        self._unit = unit
        self._run = run
        self.notices: tuple[Notice, ...] = ()
        """At most one, `batch-size-halved`: the size that everything fitted in."""

    def encode(self, batch: _Batch) -> torch.Tensor:
        """Encode a batch.

        Args:
            batch: what `run` takes.
        Returns:
            (R, D) float32 unit rows on the CPU.
        Raises:
            EncodingError: not even one fits in memory.
        """
        return torch.nn.functional.normalize(self.features(batch).float(), dim=-1).cpu()

    def features(self, batch: _Batch) -> torch.Tensor:
        """Encode a batch and leave what the tower gives as it is.

        Returns:
            (R, D) on the model's device, in its precision.
        Raises:
            EncodingError: not even one fits in memory.
        """
        rows: list[torch.Tensor] = []
        start = 0
        while start < len(batch):
            part = _part(batch, start, start + self._limit)
            features = self._features_if_they_fit(part)
            if features is None:
                # Not in the handler: its traceback would keep the failed batch's tensors alive.
                self._back_off(len(part))
                continue
            rows.append(features)
            start += len(part)
        return torch.cat(rows)

    def _features_if_they_fit(self, part: _Batch) -> torch.Tensor | None:
        try:
            return self._run(part)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(part) == 1:
                raise EncodingError(
                    f"model '{self._model.record.id}' does not fit in the memory of "
                    f"{self._model.device} even with one of the {self._unit}: {_first_line(error)}; "
                    "use a smaller model, another --device or a lower --precision"
                ) from error
            return None

    def _back_off(self, failed_size: int) -> None:
        self._limit = (failed_size + 1) // 2
        release_unused_memory(self._model.device)
        advice = (
            f"; set batch_size: {self._limit} to save the detour" if self._unit == "images" else ""
        )
        message = (
            f"model '{self._model.record.id}': out of memory on {self._model.device} with "
            f"{failed_size} {self._unit} a batch: went on with {self._limit}{advice}"
        )
        self.notices = (Notice("batch-size-halved", message),)


def _part(batch: _Batch, start: int, stop: int) -> _Batch:
    return cast("_Batch", cast("Any", batch)[start:stop])


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
