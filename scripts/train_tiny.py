"""Train the embedded model `tiny`: a real, small CLIP, for demonstrations and tests.

    python scripts/train_tiny.py --out clipeval/models/tiny

Trains open_clip's own `CLIP` class on the training half of the digit scenes from a fixed seed,
writes a folder that `open_clip` loads as `local-dir:DIR`, and only then looks at the test half,
with the weights as shipped. See docs/models/tiny.md.
"""

import argparse
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file
from tiny_captions import ANY
from tiny_evaluation import evaluate
from tiny_pool import Pool, build_pool, match_matrix
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from clipeval.datasets.digit_scenes import (
    N_TRAIN,
    test_scenes,
    train_scenes,
)

SEED: Final = 7
IMAGE_SIZE_PX: Final = 32
CONTEXT_LENGTH: Final = 32
CONFIG: Final[dict[str, Any]] = {
    "model_cfg": {
        "embed_dim": 128,
        "quick_gelu": False,
        "vision_cfg": {
            "image_size": IMAGE_SIZE_PX,
            "patch_size": 8,
            "width": 96,
            "layers": 4,
            "head_width": 32,
        },
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": 49408,
            "width": 64,
            "heads": 2,
            "layers": 2,
        },
    },
    "preprocess_cfg": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    },
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a training run depends on, besides the seed."""

    n_steps: int
    n_variants: int
    """Renderings of each training digit."""
    n_captions: int = 5
    """Captions drawn for each rendering, of which a step uses one."""
    n_digit_steps: int = 600
    """First steps, which see captions about the digit alone."""
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    max_logit_scale: float = 50.0


def contrastive_loss(logits: Tensor, matches: Tensor) -> Tensor:
    """Return the symmetric contrastive loss with several positives per row and column.

    Args:
        logits: (N, T) float, images by captions.
        matches: (N, T) bool; every row and column has a true entry.
    Source:
        Khosla et al. 2020, "Supervised Contrastive Learning", equation 2 (L_out), applied to
        both directions of CLIP's loss.
    """
    targets = matches.to(logits.dtype)
    by_image = cross_entropy(logits, targets / targets.sum(dim=1, keepdim=True))
    by_caption = cross_entropy(logits.T, (targets / targets.sum(dim=0, keepdim=True)).T)
    return (by_image + by_caption) / 2


def encode_captions(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Embed captions as `model.encode_text` does, without the padding after the longest.

    Exact, since attention is causal and the embedding is read at the end token; three times
    faster than the full context.

    Args:
        model: Its embedding table may be reduced to the tokens in use.
        tokens: (T, 32) int64 rows of the model's embedding table, ascending with the
            token ids, so that the end token is still the largest.
    Returns:
        (T, 128) float, unit length.
    """
    length = int((tokens != 0).sum(dim=1).max())
    tokens = tokens[:, :length]
    x = model.token_embedding(tokens) + model.positional_embedding[:length]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:length, :length]))
    x = x[torch.arange(len(x)), tokens.argmax(dim=-1)] @ model.text_projection
    return normalize(x, dim=-1)


@dataclass(frozen=True, slots=True)
class BatchScore:
    """What one training batch gave."""

    loss: Tensor
    """Scalar, with its graph."""
    accuracy: Tensor
    """Scalar: the share of images whose best scored caption, of those about a digit, is right."""


def score_batch(
    model: open_clip.CLIP, pool: Pool, *, batch_size: int, n_columns: int
) -> BatchScore:
    """Score images against captions: one of the first `n_columns` captions of each image."""
    rows = torch.randint(len(pool.images), (batch_size,))
    columns = torch.randint(n_columns, (batch_size,))
    captions = torch.unique(pool.caption_of[rows, columns])
    images = pool.images[rows].float().div_(127.5).sub_(1.0)
    image_embeddings = model.encode_image(images, normalize=True)
    text_embeddings = encode_captions(model, pool.tokens[captions])
    logits = model.logit_scale.exp() * image_embeddings @ text_embeddings.T
    parts, truth = pool.parts[rows], pool.truth[captions]
    best = logits.detach().masked_fill(truth[:, 0] == ANY, -torch.inf).argmax(dim=1)
    return BatchScore(
        loss=contrastive_loss(logits, match_matrix(parts, truth)),
        accuracy=(truth[best, 0] == parts[:, 0]).float().mean(),
    )


def build_optimizer(model: open_clip.CLIP, settings: Settings) -> torch.optim.AdamW:
    """Return AdamW that decays the matrices of the layers, and nothing else."""
    decayed = [p for n, p in model.named_parameters() if p.ndim > 1 and "embedding" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim <= 1 or "embedding" in n]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)


def train(pool: Pool, settings: Settings) -> open_clip.CLIP:
    """Train a model from its random initial weights."""
    torch.manual_seed(SEED)
    model = open_clip.CLIP(**CONFIG["model_cfg"])
    full_embedding = model.token_embedding
    # The captions use under two hundred of 49408 tokens: updating the others' rows, whose
    # gradient is zero, would take a third of the time.
    used_embedding = nn.Embedding(len(pool.vocabulary), full_embedding.embedding_dim)
    used_embedding.weight.data.copy_(full_embedding.weight[pool.vocabulary])
    model.token_embedding = used_embedding
    run_steps(model, pool, settings)
    full_embedding.weight.data[pool.vocabulary] = used_embedding.weight.data
    model.token_embedding = full_embedding
    return model.eval()


def run_steps(model: open_clip.CLIP, pool: Pool, settings: Settings) -> None:
    """Optimise the model in place, and print its progress."""
    optimizer = build_optimizer(model, settings)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=settings.learning_rate, total_steps=settings.n_steps, pct_start=0.03
    )
    clock = Clock.start()
    recent_loss = recent_accuracy = 0.0
    for step in range(1, settings.n_steps + 1):
        optimizer.zero_grad(set_to_none=True)
        # Colours are so much easier that with them from the start digits stay at chance for
        # thousands of steps: the shapes come first, alone.
        n_columns = 1 if step <= settings.n_digit_steps else settings.n_captions
        batch = score_batch(model, pool, batch_size=settings.batch_size, n_columns=n_columns)
        batch.loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=float(np.log(settings.max_logit_scale)))
        recent_loss += (batch.loss.item() - recent_loss) / min(step, 100)
        recent_accuracy += (batch.accuracy.item() - recent_accuracy) / min(step, 100)
        if step % 100 == 0:
            scores = f"loss {recent_loss:.3f}  digits {recent_accuracy:.3f}"
            print(f"step {step:5d}  {scores}  {clock}", flush=True)


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall and CPU time since a start: on a busy machine only the second can be compared."""

    wall_s: float
    cpu_s: float

    @classmethod
    def start(cls) -> "Clock":
        """Return a clock that starts now."""
        return cls(wall_s=time.perf_counter(), cpu_s=time.process_time())

    def __str__(self) -> str:
        wall_s = time.perf_counter() - self.wall_s
        cpu_s = time.process_time() - self.cpu_s
        return f"wall {wall_s / 60:.2f} min, cpu {cpu_s / 60:.2f} min"


def write_config(folder: Path) -> None:
    """Write the configuration that open_clip's `local-dir:` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(CONFIG, indent=2) + "\n"
    (folder / "open_clip_config.json").write_text(text, encoding="utf-8")


def write_weights(model: open_clip.CLIP, folder: Path) -> str:
    """Write the weights in half precision, and their sha256 beside them.

    Returns:
        The sha256 of the weights file, in hexadecimal.
    """
    # The logit scale is an exponent: half precision would move every logit by up to 0.1 %.
    weights = {
        name: (value if name == "logit_scale" else value.half()).contiguous()
        for name, value in model.state_dict().items()
    }
    path = folder / "open_clip_model.safetensors"
    save_file(weights, path)
    path.chmod(0o644)  # safetensors leaves the file readable to its owner alone
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  {path.name}\n", encoding="utf-8")
    return digest


def main() -> None:
    """Train, write the folder, evaluate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--steps", type=int, default=4200)
    parser.add_argument("--variants", type=int, default=24, help="renderings of each digit")
    parser.add_argument(
        "--holdout",
        type=int,
        default=0,
        metavar="N",
        help="for tuning: evaluate on the last N training digits, unfitted, not on the test half",
    )
    options = parser.parse_args()
    torch.set_num_threads(2)
    clock = Clock.start()
    settings = Settings(n_steps=options.steps, n_variants=options.variants)
    n_fitted = N_TRAIN - options.holdout
    scenes = train_scenes(n_variants=settings.n_variants)
    pool = build_pool(
        [scene for scene in scenes if scene.index < n_fitted],
        n_captions=settings.n_captions,
        image_size_px=IMAGE_SIZE_PX,
        context_length=CONTEXT_LENGTH,
        seed=SEED,
    )
    print(f"{len(pool.images)} images, {len(pool.tokens)} distinct captions  {clock}", flush=True)
    model = train(pool, settings)
    write_config(options.out)
    print(f"sha256 {write_weights(model, options.out)}  {clock}", flush=True)
    if options.holdout:
        evaluate(options.out, [s for s in train_scenes(n_variants=3) if s.index >= n_fitted])
    else:
        evaluate(options.out, test_scenes())


if __name__ == "__main__":
    main()
