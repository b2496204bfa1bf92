"""How a model is named in one string: `tiny`, `NAME/TAG`, `NAME/random`, `hf-hub:...`, `local-dir:...`."""

from __future__ import annotations

from pathlib import Path

from clipeval.errors import ConfigError
from clipeval.records.specs import ModelSpec

FORMS = "tiny, NAME/PRETRAINED (ViT-B-32/openai), NAME/random, hf-hub:ORG/REPO, local-dir:PATH"


def parse_model(text: str, *, base: Path, where: str = "", id: str | None = None) -> ModelSpec:  # noqa: A002
    """Turn a model string into a spec.

    Args:
        text: one of FORMS.
        base: folder that a relative local-dir path is relative to.
        where: `file:line` or option name, put in front of errors.
        id: name in reports; the string itself if None.
    Raises:
        ConfigError: the string has none of the forms.
    """
    spec_id = id or text
    if text == "tiny":
        return ModelSpec(id=spec_id, kind="tiny", name="tiny", where=where)
    prefix, colon, rest = text.partition(":")
    if colon and prefix == "local-dir" and rest:
        folder = _folder(rest, base=base, where=where)
        return ModelSpec(id=spec_id, kind="local-dir", name=str(folder), where=where)
    if colon and prefix == "hf-hub" and rest.count("/") == 1 and all(rest.split("/")):
        return ModelSpec(id=spec_id, kind="hf-hub", name=rest, where=where)
    name, slash, tag = text.partition("/")
    if not colon and slash and name and tag and "/" not in tag:
        if tag == "random":
            return ModelSpec(id=spec_id, kind="random", name=name, where=where)
        return ModelSpec(id=spec_id, kind="pretrained", name=name, pretrained=tag, where=where)
    raise ConfigError(
        f"{_place(where)}'{text}' does not name a model; expected {FORMS}, "
        "or in a suite a mapping {id, name, checkpoint, quick_gelu}"
    )


def _folder(text: str, *, base: Path, where: str) -> Path:
    try:
        return (base / Path(text).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{_place(where)}'{text}' is not a usable folder: {error}") from error


def _place(where: str) -> str:
    return f"{where}: " if where else ""
