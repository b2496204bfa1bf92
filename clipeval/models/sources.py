"""From a spec to everything that a model is built from; no weights are read here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from open_clip.pretrained import download_pretrained_from_url

from clipeval.errors import ModelError
from clipeval.models.fingerprints import hash_file
from clipeval.models.folder_config import known_preprocessing, preprocessing_notices, read_config
from clipeval.models.hub import CONFIG_FILE, check_repo_name, fetch_config, fetch_weights
from clipeval.models.open_clip_quiet import quiet_open_clip
from clipeval.models.registry import PretrainedTag, architecture, pretrained_tag, resolve_quick_gelu
from clipeval.models.weights import WEIGHT_SUFFIXES, check_weights_file
from clipeval.records import ModelSpec, Notice

TINY_FOLDER = Path(__file__).parent / "tiny"
CHECKSUMS = "SHA256SUMS"
OWN_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
)
"""Names that only open_clip's weights have, best first. Source: open_clip.factory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """What a spec stands for."""

    spec: str
    """The spec in one string, for records."""
    name: str
    pretrained: str | None = None
    model_cfg: Mapping[str, Any]
    quick_gelu: bool
    preprocess_cfg: Mapping[str, Any]
    """What differs from open_clip's defaults."""
    tokenizer: str
    """Identifier for open_clip.get_tokenizer."""
    weights: Path | None
    """None for random weights, and only then."""
    folder: Path | None = None
    """That config and tokenizer are read from; None if they come with open_clip."""
    published: bool = False
    """Weights that open_clip's registry or the hub offer for this very config."""
    notices: tuple[Notice, ...] = ()

    @property
    def files(self) -> tuple[Path, ...] | None:
        """All files that the model depends on; None if a library fetches some of them for itself."""
        text_cfg = self.model_cfg.get("text_cfg") or {}
        if text_cfg.get("hf_model_name") or (
            text_cfg.get("hf_tokenizer_name") and not self.tokenizer.startswith("local-dir:")
        ):
            return None
        files = [] if self.weights is None else [self.weights, *_hub_revisions(self.weights)]
        if self.folder is not None:
            # The folder itself: its time changes when a file is added that would be preferred.
            files += [self.folder, *sorted(p for p in self.folder.iterdir() if p.is_file())]
        return tuple(dict.fromkeys(files))


def _hub_revisions(file: Path) -> list[Path]:
    """Return where the hub's cache says which revision of a file's repository is the current one.

    Source: huggingface_hub's layout, models--ORG--REPO/snapshots/REVISION/FILE beside refs/main.
    """
    repository = next((p.parent for p in file.parents if p.name == "snapshots"), None)
    if repository is None or not (repository / "refs").is_dir():
        return []
    return sorted(path for path in (repository / "refs").rglob("*") if path.is_file())


def check_spec(spec: ModelSpec) -> None:
    """Find what is wrong with a spec without the network and without reading its weights.

    What is left for `load_model` to find: a hub that cannot be reached or lacks the repository,
    and weights or towers that do not fit.

    Raises:
        ModelError: an unknown architecture or tag, a file or folder that is not there, a config
            with wrong values, or an activation that is not said or contradicted.
    """
    with naming(spec):
        match spec.kind:
            case "pretrained":
                _look_up(spec)
            case "hf-hub":
                check_repo_name(spec.name)
            case "tiny" | "random" | "checkpoint" | "local-dir":
                source = find_source(spec)
                if source.weights is not None:
                    check_weights_file(source.weights)


@contextmanager
def naming(spec: ModelSpec) -> Iterator[None]:
    """Put before a ModelError of the block which model it is about, and where it was asked for."""
    try:
        yield
    except ModelError as error:
        place = f"{spec.where}: " if spec.where else ""
        raise ModelError(f"{place}model '{spec.id}': {error}") from error


def find_source(spec: ModelSpec) -> ModelSource:
    """Resolve a spec, downloading what it names if it is not in the hub's cache.

    Raises:
        ModelError: anything that the spec names is missing, ambiguous or contradictory.
    """
    match spec.kind:
        case "tiny":
            return _tiny(spec)
        case "pretrained":
            return _pretrained(spec)
        case "random":
            return _random(spec)
        case "checkpoint":
            return _checkpoint(spec)
        case "local-dir":
            return _local_dir(spec, Path(spec.name), label=f"local-dir:{spec.name}")
        case "hf-hub":
            return _hf_hub(spec)


def _tiny(spec: ModelSpec) -> ModelSource:
    source = _local_dir(spec, TINY_FOLDER, label="tiny")
    checksums = TINY_FOLDER / CHECKSUMS
    if not checksums.is_file() or source.weights is None:
        raise ModelError(f"{checksums} is missing: reinstall clipeval")
    lines = checksums.read_text(encoding="utf-8").splitlines()
    recorded = {name.strip("* "): digest for digest, _, name in (x.partition(" ") for x in lines)}
    found = hash_file(source.weights)
    if recorded.get(source.weights.name) != found:
        raise ModelError(
            f"{source.weights} is not the file that clipeval was released with (sha256 {found}, "
            f"expected {recorded.get(source.weights.name)}): reinstall clipeval"
        )
    return source


def _pretrained(spec: ModelSpec) -> ModelSource:
    tag, config, quick_gelu = _look_up(spec)
    return ModelSource(
        spec=f"{spec.name}/{tag.tag}",
        name=spec.name,
        pretrained=tag.tag,
        model_cfg=config,
        quick_gelu=quick_gelu,
        preprocess_cfg=known_preprocessing(tag.config),
        tokenizer=spec.name,
        weights=_download(tag.config),
        published=True,
    )


def _look_up(spec: ModelSpec) -> tuple[PretrainedTag, dict[str, Any], bool]:
    """Return the tag, the architecture's config and the activation of published weights."""
    tag = pretrained_tag(spec.name, spec.pretrained or "")
    config = architecture(spec.name)
    quick_gelu = resolve_quick_gelu(
        config, name=spec.name, trained_with=tag.quick_gelu, said=spec.quick_gelu
    )
    return tag, config, quick_gelu


def _random(spec: ModelSpec) -> ModelSource:
    config = architecture(spec.name)
    message = f"model '{spec.id}' has random weights: its speed means something, its answers do not"
    return ModelSource(
        spec=f"{spec.name}/random",
        name=spec.name,
        model_cfg=config,
        quick_gelu=resolve_quick_gelu(
            config, name=spec.name, trained_with=None, said=spec.quick_gelu
        ),
        preprocess_cfg={},
        tokenizer=spec.name,
        weights=None,
        notices=(Notice("random-weights", message),),
    )


def _checkpoint(spec: ModelSpec) -> ModelSource:
    config = architecture(spec.name)
    if spec.checkpoint is None:
        raise ModelError("names no checkpoint file")
    if spec.quick_gelu is None:
        raise ModelError(
            f"checkpoint {spec.checkpoint} does not say which activation it was trained with; add "
            "quick_gelu: true (OpenAI's weights, what was fine-tuned from them, MetaCLIP, DFN) or "
            "quick_gelu: false (most of LAION's and DataComp's)"
        )
    message = (
        f"{spec.checkpoint} says nothing about preprocessing: using open_clip's default for "
        "weights from a file (CLIP's mean and std, bicubic, shortest edge, centre crop); "
        f"if it was trained with another, lay it out as a folder with {CONFIG_FILE} and "
        "name it as local-dir:PATH"
    )
    return ModelSource(
        spec=f"{spec.name} from {spec.checkpoint}",
        name=spec.name,
        model_cfg=config,
        quick_gelu=resolve_quick_gelu(
            config, name=spec.name, trained_with=None, said=spec.quick_gelu
        ),
        preprocess_cfg={},
        tokenizer=spec.name,
        weights=spec.checkpoint,
        notices=(Notice("default-preprocessing", message),),
    )


def _hf_hub(spec: ModelSpec) -> ModelSource:
    check_repo_name(spec.name)
    path = fetch_config(spec.name)
    config = read_config(path)
    # open_clip would look the config up again, and take another tokenizer if that failed.
    on_hub = "hf_tokenizer_name" in config["model_cfg"]["text_cfg"]
    tokenizer = f"hf-hub:{spec.name}" if on_hub else f"local-dir:{path.parent}"
    return ModelSource(
        spec=f"hf-hub:{spec.name}",
        name=spec.name,
        model_cfg=config["model_cfg"],
        quick_gelu=_config_quick_gelu(spec, config["model_cfg"]),
        preprocess_cfg=known_preprocessing(config.get("preprocess_cfg") or {}),
        tokenizer=tokenizer,
        folder=path.parent,
        weights=fetch_weights(spec.name),
        published=True,
        notices=preprocessing_notices(config, path),
    )


def _local_dir(spec: ModelSpec, folder: Path, *, label: str) -> ModelSource:
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder; expected one with {CONFIG_FILE} and weights")
    config = read_config(folder / CONFIG_FILE)
    weights, notices = _find_weights(folder)
    return ModelSource(
        spec=label,
        name=label if label == "tiny" else folder.name,
        model_cfg=config["model_cfg"],
        quick_gelu=_config_quick_gelu(spec, config["model_cfg"]),
        preprocess_cfg=known_preprocessing(config.get("preprocess_cfg") or {}),
        tokenizer=f"local-dir:{folder}",
        folder=folder,
        weights=weights,
        notices=(*notices, *preprocessing_notices(config, folder / CONFIG_FILE)),
    )


def _config_quick_gelu(spec: ModelSpec, model_cfg: Mapping[str, Any]) -> bool:
    """A config that does not mention quick_gelu says GELU: so the format has it."""
    trained_with = bool(model_cfg.get("quick_gelu", False))
    return resolve_quick_gelu(
        model_cfg, name=spec.name, trained_with=trained_with, said=spec.quick_gelu
    )


def _find_weights(folder: Path) -> tuple[Path, tuple[Notice, ...]]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in WEIGHT_SUFFIXES)
    own = [folder / name for name in OWN_NAMES if folder / name in found]
    candidates = own[:1] or found
    if not candidates:
        raise ModelError(
            f"{folder} holds no weights; expected {OWN_NAMES[0]}, "
            f"or one file ending in {', '.join(WEIGHT_SUFFIXES)}"
        )
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates)
        raise ModelError(
            f"{folder} holds several weights files: {names}; keep one, or call the right one "
            f"{OWN_NAMES[0]} or {OWN_NAMES[2]}"
        )
    if len(own) == 1 or len(found) == 1:
        return candidates[0], ()
    others = ", ".join(path.name for path in own[1:])
    message = f"{folder}: took {own[0].name}, as open_clip does, and left {others}"
    return candidates[0], (Notice("several-weights-files", message),)


def _download(tag_config: Mapping[str, Any]) -> Path:
    """Fetch published weights: from the hub where they are on it, as open_clip prefers."""
    on_hub = str(tag_config.get("hf_hub", ""))
    if on_hub:
        path = PurePosixPath(on_hub)
        if on_hub.endswith("/"):
            return fetch_weights(str(path))
        return fetch_weights(str(path.parent), path.name)
    url = str(tag_config.get("url", ""))
    try:
        with quiet_open_clip():
            return Path(download_pretrained_from_url(url))
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"weights could not be fetched from {url}: {error}; put the file into ~/.cache/clip, "
            "or remove a damaged one from there"
        ) from error
