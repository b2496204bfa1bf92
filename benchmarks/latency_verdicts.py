"""What `clipeval bench --against` says of models that are the same, and of one that is slower.

    python benchmarks/latency_verdicts.py --base tiny --comparisons 10
    python benchmarks/latency_verdicts.py --base ViT-B-32/random --comparisons 0 --extra-block

The same model against itself, so many times, and with one more block in its image tower, with random weights:
fresh processes in the order A, B, B, A, one noise floor for all.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import open_clip
import torch

from clipeval.api.bench_request import BenchRequest
from clipeval.api.fresh_process import FreshProcess
from clipeval.api.paired_profiles import PairedProfiles
from clipeval.progress import SilentProgress
from clipeval.stats import ratio_verdict


def with_one_more_block(name: str, folder: Path) -> str:
    """Write a model with random weights and one more block in its image tower; return its string."""
    config = open_clip.get_model_config(name)
    config["vision_cfg"]["layers"] += 1
    (folder / "open_clip_config.json").write_text(
        json.dumps(
            {
                "model_cfg": config,
                "preprocess_cfg": {
                    "mean": open_clip.OPENAI_DATASET_MEAN, "std": open_clip.OPENAI_DATASET_STD,
                },
            }
        )
    )  # fmt: skip
    torch.manual_seed(0)
    model = open_clip.model.CLIP(**config)
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    return f"local-dir:{folder}"


def main() -> None:
    """Measure, and print a table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default="ViT-B-32/random", metavar="MODEL")
    parser.add_argument(
        "--comparisons", type=int, default=10, metavar="N", help="of the model with itself"
    )
    parser.add_argument(
        "--extra-block", action="store_true", help="also with one block more; for NAME/random"
    )
    parser.add_argument("--blocks", type=int, default=6, metavar="N")
    parser.add_argument("--samples", type=int, default=10, metavar="N")
    parser.add_argument("--margins", type=float, nargs="+", default=[0.05, 0.10])
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    request = BenchRequest(
        models=(),
        stages=("encode_image",),
        batch_sizes=(1,),
        n_samples=args.samples,
        has_arithmetic=False,
    )
    pairs = PairedProfiles(
        profile=FreshProcess(request=request), n_blocks=args.blocks, progress=SilentProgress()
    )
    (floor,) = pairs.noise_floors(args.base).values()
    print(f"{args.base}, encode_image, batch 1: noise floor {floor:.1%}", flush=True)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        candidates = {f"itself {i + 1}": args.base for i in range(args.comparisons)}
        if args.extra_block:
            name = args.base.removesuffix("/random")
            candidates["one more block"] = with_one_more_block(name, Path(folder))
        for name, candidate in candidates.items():
            (ratio,) = pairs.ratios(args.base, candidate).values()
            verdicts = {margin: ratio_verdict(ratio, margin=margin) for margin in args.margins}
            found.append({"candidate": name, **asdict(ratio), "verdicts": verdicts})
            said = ", ".join(f"{margin:.0%}: {verdict}" for margin, verdict in verdicts.items())
            print(
                f"{name:15} {ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]  {said}",
                flush=True,
            )
    for margin in args.margins:
        counts = Counter(str(one["verdicts"][margin]) for one in found[: args.comparisons])
        print(f"itself, margin {margin:.0%}: {dict(counts)}")
    if args.json:
        args.json.write_text(json.dumps({"noise_floor": floor, "comparisons": found}, indent=1))


if __name__ == "__main__":
    main()
