"""Two cells on the same images: paired, compared, and put into words."""

from clipeval.comparison.compare import compare
from clipeval.comparison.environments import environment_changes
from clipeval.comparison.families import adjust
from clipeval.comparison.holdout import (
    SplitImages,
    confirm_winner,
    refuse_single_template,
    split_images,
)
from clipeval.comparison.matching import CellMatch, find_counterpart, find_renamed, match_cells
from clipeval.comparison.outcomes import cell_outcomes, prompts_sha256
from clipeval.comparison.pairing import pair_images
from clipeval.comparison.reproduction import FLOORS, sketch_embeddings

__all__ = [
    "FLOORS",
    "CellMatch",
    "SplitImages",
    "adjust",
    "cell_outcomes",
    "compare",
    "confirm_winner",
    "environment_changes",
    "find_counterpart",
    "find_renamed",
    "match_cells",
    "pair_images",
    "prompts_sha256",
    "refuse_single_template",
    "sketch_embeddings",
    "split_images",
]
