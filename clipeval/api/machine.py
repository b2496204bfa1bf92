"""What this machine and the installed libraries offer."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from clipeval.api.inspecting import cache_info
from clipeval.bench.distortions import Distortion, Machine, distortions
from clipeval.devices import available_devices, describe_machine
from clipeval.engine import capture_environment
from clipeval.models import AvailableModel, available_models

OPTIONAL_PACKAGES = {"transformers": "hf", "pytest-xdist": "xdist"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that doctor found."""

    subject: str
    finding: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What clipeval finds on this machine, and what will distort a measurement here."""

    findings: tuple[Finding, ...]
    distortions: tuple[Distortion, ...]


def list_models(pattern: str | None = None) -> tuple[AvailableModel, ...]:
    """Return the models that can be named, `tiny` first."""
    return available_models(pattern)


def find_distortions() -> tuple[Distortion, ...]:
    """Look for what will distort a measurement on this machine; takes half a second."""
    return distortions(Machine.this())


def doctor() -> Diagnosis:
    """Describe this machine as far as evaluation and measurements are concerned."""
    return Diagnosis(findings=_findings(), distortions=find_distortions())


def _findings() -> tuple[Finding, ...]:
    environment = capture_environment((), folder=Path.cwd(), machine=describe_machine())
    cache = cache_info()
    packages = ", ".join(f"{name} {number}" for name, number in environment.packages.items())
    cached = f"{cache.root}: {cache.n_packs} packs, {cache.size_bytes / 1e6:.1f} MB"
    memory = environment.memory_bytes
    offline = os.environ.get("HF_HUB_OFFLINE")
    return (
        Finding("clipeval", environment.clipeval),
        Finding("python", f"{environment.python} ({platform.python_implementation()})"),
        Finding("platform", environment.platform),
        Finding("packages", packages),
        *(_optional_package(name, extra) for name, extra in OPTIONAL_PACKAGES.items()),
        Finding("processor", f"{environment.cpu}, {environment.n_cores} cores"),
        Finding("memory", "unknown" if memory is None else f"{memory / 2**30:.1f} GiB"),
        Finding("torch threads", str(environment.n_threads)),
        Finding("devices", ", ".join(available_devices())),
        Finding("GPUs", ", ".join(environment.gpus) or "none that torch can use"),
        Finding("cache", cached),
        Finding(
            "hub", "offline: HF_HUB_OFFLINE is set" if offline else "asked when a spec needs it"
        ),
    )


def _optional_package(name: str, extra: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, f"not installed (pip install 'clipeval[{extra}]')")
