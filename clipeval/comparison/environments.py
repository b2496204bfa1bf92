"""What is different about two machines or installations."""

from __future__ import annotations

from clipeval.records import Environment


def environment_changes(then: Environment, now: Environment) -> tuple[str, ...]:
    """List what could explain other numbers, a sentence each: `torch 2.14.0 -> 2.15.0`."""
    names = dict.fromkeys([*then.packages, *now.packages])
    changes = [
        f"{name} {then.packages.get(name, 'absent')} -> {now.packages.get(name, 'absent')}"
        for name in names
        if then.packages.get(name) != now.packages.get(name)
    ]
    for what, before, after in (
        ("clipeval", then.clipeval, now.clipeval),
        ("python", then.python, now.python),
        ("platform", then.platform, now.platform),
        ("processor", then.cpu, now.cpu),
        ("threads", str(then.n_threads), str(now.n_threads)),
        ("GPUs", ", ".join(then.gpus) or "none", ", ".join(now.gpus) or "none"),
    ):
        if before != after:
            changes.append(f"{what} {before} -> {after}")
    return tuple(changes)
