"""What can run an image tower, behind one seam: pixels in, features out."""

from clipeval.encode.backends.building import build_tower, check_agreement
from clipeval.encode.backends.eager import EagerTower
from clipeval.encode.backends.measuring import measure_backend
from clipeval.encode.backends.tower import ImageTower

__all__ = ["EagerTower", "ImageTower", "build_tower", "check_agreement", "measure_backend"]
