"""What files in a run folder are called."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

RUN_JSON = "run.json"
PREDICTIONS = "predictions.parquet"
THUMBNAILS = "thumbnails.parquet"
BENCHMARK_JSON = "benchmark.json"
CONFUSION = "confusion"
CHARTS = "charts"
PARTS = ".parts"
LOCK = ".clipeval.lock"
REPORT_HTML = "report.html"
DOCUMENTS = (REPORT_HTML, "summary.md", "junit.xml")
"""Texts that the caller of RunFolder.finish renders, beside charts."""
CHART_FILE = re.compile(rf"{CHARTS}/[a-z0-9-]+\.svg")
"""Drawings, which the same caller renders."""

MAX_LENGTH = 120
"""Characters of a file name before its hash and extension; Windows counts 260 for a whole path."""
RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}
)
"""Device names, which Windows does not allow before the first dot of a file name.

Source: "Naming Files, Paths, and Namespaces", Microsoft Learn.
"""


def cell_file_name(cell_id: str) -> str:
    """Return a readable file name, without extension, that no other cell id has.

    `digits/tiny/photo` becomes `digits--tiny--photo`. What is not portable is percent-encoded.
    Names that differ in case only are one name on many systems, and long ones are none at all, so
    an id with upper-case letters or beyond 120 characters ends in `~` and 64 bits of its SHA-256.
    """
    body = "--".join(_component(part) for part in cell_id.split("/"))
    if body[:1] == ".":
        body = "%2E" + body[1:]
    if body.partition(".")[0].lower() in RESERVED:
        body = f"%{ord(body[0]):02X}{body[1:]}"
    if cell_id == cell_id.lower() and 0 < len(body) <= MAX_LENGTH:
        return body
    digest = hashlib.sha256(cell_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{body[:MAX_LENGTH]}~{digest[:16]}"


def encodable(text: str) -> str:
    r"""Return a text that UTF-8 can hold: bytes of a file name that are no text become `\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _component(part: str) -> str:
    """Encode one part of an id so that it neither contains `--` nor starts or ends with `-`."""
    encoded = quote(part, safe="@+", errors="surrogatepass").replace("~", "%7E")
    encoded = encoded.replace("--", "-%2D")
    if encoded.startswith("-"):
        encoded = "%2D" + encoded[1:]
    return encoded[:-1] + "%2D" if encoded.endswith("-") else encoded
