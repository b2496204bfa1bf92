"""Files from the Hugging Face hub, or a clear error that names the repository."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils._validators import validate_repo_id

from clipeval.errors import ModelError
from clipeval.models.open_clip_quiet import quiet_hub

CONFIG_FILE = "open_clip_config.json"
WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""Source: open_clip.constants, in the order in which open_clip tries them."""

_PORTS = {"http": 80, "https": 443}
_PROBE_SECONDS = 3.0


def check_repo_name(repo: str) -> None:
    """Check, without asking the hub, that a repository could have this name.

    Raises:
        ModelError: it could not.
    """
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise ModelError(
            f"'{repo}' cannot be the name of a hub repository; expected ORG/REPO: {error}"
        ) from error


def fetch_config(repo: str) -> Path:
    """Download a repository's open_clip config, or find it in the hub's cache.

    Raises:
        ModelError: the repository or the file is not there, or cannot be reached.
    """
    return _fetch_first(repo, (CONFIG_FILE,), what="config")


def fetch_weights(repo: str, filename: str = "") -> Path:
    """Download a repository's weights, or find them in the hub's cache.

    Args:
        repo: ORG/REPO.
        filename: the weights' own name; open_clip's two usual names if empty. A .safetensors file
            of the same name is preferred to a pickle, as open_clip does.
    Raises:
        ModelError: the repository has none of the files, or cannot be reached; never no weights.
    """
    names: tuple[str, ...] = (filename,) if filename else WEIGHT_FILES
    if filename and Path(filename).suffix in {".bin", ".pth"}:
        names = (str(Path(filename).with_suffix(".safetensors")), filename)
    return _fetch_first(repo, names, what="weights")


def _fetch_first(repo: str, names: Sequence[str], *, what: str) -> Path:
    """Return the first file that there is.

    A file that is absent on the hub makes way for the next name, and so does one that is absent
    from the cache when the hub cannot be asked: the next may be there. The hub's client tries for
    half a minute to reach it, so it is asked only if somebody listens there, and until the first
    time that it does not answer.
    """
    unreachable: LocalEntryNotFoundError | None = None
    listens = constants.HF_HUB_OFFLINE or _listens(constants.ENDPOINT)
    for name in names:
        try:
            only_cache = unreachable is not None or not listens
            with quiet_hub():
                return Path(hf_hub_download(repo, name, local_files_only=only_cache))
        except LocalEntryNotFoundError as error:
            unreachable = error
        except EntryNotFoundError:
            continue
        except GatedRepoError as error:
            raise ModelError(
                f"hub repository '{repo}' asks for permission first: accept its terms on the hub "
                "and set HF_TOKEN"
            ) from error
        except RepositoryNotFoundError as error:
            raise ModelError(
                f"hub repository '{repo}' does not exist, or is private and HF_TOKEN is not set; "
                "check the name"
            ) from error
        except Exception as error:
            # Transport errors differ between versions of huggingface_hub (requests, httpx).
            raise ModelError(
                f"'{name}' of hub repository '{repo}' could not be fetched: "
                f"{type(error).__name__}: {error}"
            ) from error
    if unreachable is not None:
        raise ModelError(_unreachable(repo, names, what)) from unreachable
    raise ModelError(
        f"hub repository '{repo}' has no {what}: expected {' or '.join(names)}; "
        "is it an open_clip model?"
    )


def _listens(endpoint: str) -> bool:
    """Tell whether to ask the hub, or the proxy before it; False only where that is hopeless.

    Its name is not known, its port is closed, or there is no way to its network. Slowness is left
    to the hub's client, which is patient.
    """
    target = urlsplit(endpoint)
    proxies = getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(target.hostname or ""):
        target = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        port = target.port or _PORTS[target.scheme]
        with socket.create_connection((target.hostname or "", port), timeout=_PROBE_SECONDS):
            return True
    except OSError as error:
        return isinstance(error, TimeoutError)
    except (KeyError, ValueError):
        return True  # an address of a kind that only the client may know


def _unreachable(repo: str, names: Sequence[str], what: str) -> str:
    why = (
        "HF_HUB_OFFLINE is set"
        if constants.HF_HUB_OFFLINE
        else f"{constants.ENDPOINT} cannot be reached"
    )
    cache = os.fspath(constants.HF_HUB_CACHE)
    return (
        f"the {what} of hub repository '{repo}' ({' or '.join(names)}) cannot be had: not in "
        f"the cache {cache}, and {why}; on a machine with access run `hf download {repo}` and copy "
        "that cache here, or name a copy of the repository as local-dir:PATH"
    )
