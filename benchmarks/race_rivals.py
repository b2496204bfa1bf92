"""CLIP_benchmark's virtual environment: its own packages, torch and open_clip shared with this one.

It runs on the same torch, torchvision, open_clip and Pillow, so that what differs is what the harness does
with them. They are reached through a .pth file; a copy would take gigabytes and could differ.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "CLIPEVAL_RACE_HOME"
CLIP_BENCHMARK = "clip-benchmark==1.6.2"
PLAIN_REQUIREMENTS = ("pycocoevalcap", "webdataset", "requests", "numpy<2.3")
"""What it needs beside what is shared (`requests` it does not declare), and the numpy that it runs with."""
SHARED = ("torch", "torchvision", "open-clip-torch", "pillow", "timm")
OWN = ("clip-benchmark", "numpy", "webdataset")
_VERSIONS = """
import importlib.metadata, json
import clip_benchmark.cli
print(json.dumps({{name: importlib.metadata.version(name) for name in {names!r}}}))
"""


class RivalError(RuntimeError):
    """CLIP_benchmark cannot be installed, or not beside the same versions."""


@dataclass(frozen=True, slots=True)
class RivalEnvironment:
    """Where CLIP_benchmark runs."""

    python: Path
    versions: dict[str, str]


def race_home() -> Path:
    """Return the folder for what races keep: the rival's environment and the checkpoint."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".cache" / "clipeval-race"


def clip_benchmark_environment(home: Path) -> RivalEnvironment:
    """Return CLIP_benchmark's environment, made if it is not there.

    Raises:
        RivalError: a package cannot be installed, or torch and its like are of other versions there.
    """
    shared = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    recipe = json.dumps([CLIP_BENCHMARK, PLAIN_REQUIREMENTS, shared, sys.version])
    folder = home / f"clip-benchmark-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if not (folder / "made").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        _make(folder, python, shared)
        (folder / "made").write_text(recipe, encoding="utf-8")
    return RivalEnvironment(python=python, versions=_checked_versions(python))


def _make(folder: Path, python: Path, shared: Sequence[str]) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is not None:
        _call([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        _call([sys.executable, "-m", "venv", str(folder)])
        install = [str(python), "-m", "pip", "install", "--quiet"]
    _call([*install, *PLAIN_REQUIREMENTS])
    _call([*install, "--no-deps", CLIP_BENCHMARK])
    (own,) = folder.glob("lib/python*/site-packages")
    # A .pth file adds to the end of the path: the environment's own numpy comes first.
    (own / "shared-with-clipeval.pth").write_text("\n".join(shared) + "\n", encoding="utf-8")


def _checked_versions(python: Path) -> dict[str, str]:
    code = _VERSIONS.format(names=(*SHARED, *OWN))
    found: dict[str, str] = json.loads(_call([str(python), "-c", code]))
    here = {name: importlib.metadata.version(name) for name in SHARED}
    if other := [
        f"{name} {found[name]} (here {here[name]})" for name in SHARED if found[name] != here[name]
    ]:
        raise RivalError(
            f"CLIP_benchmark would run with {', '.join(other)}; delete {python.parents[1]}"
        )
    return found


def _call(command: Sequence[str]) -> str:
    done = subprocess.run(  # noqa: S603 (no shell; what it runs is named above)
        command, check=False, capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise RivalError(f"{' '.join(command[:5])} ... failed with {done.returncode}: {last}")
    return done.stdout
