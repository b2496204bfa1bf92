"""Zero-shot accuracy of a model folder on digit scenes, for every question in several wordings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import open_clip
import torch

from clipeval.datasets.digit_scenes import DigitScene, class_names, label, render_scene
from clipeval.records import Question

TEMPLATES: Final[dict[Question, tuple[str, ...]]] = {
    "digit": (
        "{}",
        "a photo of {}",
        "a photo of the number {}",
        "a photo of the digit {}",
        "a handwritten {}",
        'a photo of the number: "{}".',
        "a digit written in {}",
        "the number after {}",
        "a plate of {}",
    ),
    "ink": (
        "{}",
        "a photo of {}",
        "something {}",
        "a {} digit",
        "a digit written in {}",
        "{} ink",
        "a digit on a {} background",
    ),
    "background": (
        "{}",
        "a photo of {}",
        "something {}",
        "a {} background",
        "a digit on a {} background",
        "{} paper",
        "a digit written in {}",
    ),
}


def evaluate(folder: Path, scenes: Sequence[DigitScene]) -> None:
    """Print the zero-shot top-1 of every question and template, with the weights as written."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    with torch.inference_mode():
        images = torch.stack([preprocess(render_scene(scene)) for scene in scenes])
        image_embeddings = model.encode_image(images, normalize=True)
        for question, templates in TEMPLATES.items():
            labels = torch.tensor([label(scene, question) for scene in scenes])
            for template in templates:
                prompts = [template.format(name) for name in class_names(question)]
                class_weights = model.encode_text(tokenizer(prompts), normalize=True)
                predicted = (image_embeddings @ class_weights.T).argmax(dim=1)
                n_correct = int((predicted == labels).sum())
                top1 = n_correct / len(scenes)
                print(f"{question:10s}  {template:32s}  {top1:.4f}  {n_correct}/{len(scenes)}")
