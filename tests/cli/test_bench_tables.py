"""Tables of timings as a narrow terminal shows them."""

import io

from rich.console import Console

from clipeval.cli.bench_tables import latency_comparison_notes, latency_comparison_table
from clipeval.records.latency import LatencyComparison
from clipeval.records.latency_gates import LatencyPoint

POINT = LatencyPoint(
    stage="encode_image", device="cpu", precision="fp32", backend="torch", batch_size=1, n_threads=2
)
COMPARED = (
    LatencyComparison(
        point=POINT, margin=0.1, verdict="pass", ratio=1.067, low=1.044, high=1.092, n_blocks=12,
        noise_floor=0.083, doubt="5 of 48 processes were unsteady or drifted",
    ),
    LatencyComparison(point=POINT, margin=0.1, verdict="incomparable", cause="another machine"),
)  # fmt: skip


def printed(width):
    written = io.StringIO()
    console = Console(file=written, width=width)
    console.print(latency_comparison_table(COMPARED))
    for note in latency_comparison_notes(COMPARED):
        console.print(note)
    return written.getvalue()


def test_eighty_columns_show_the_verdict_the_ratio_and_what_it_shows():
    text = printed(80)
    for word in ("PASS", "INCOMPARABLE", "1.067 [1.044, 1.092]", "slower"):
        assert word in text


def test_doubts_and_causes_are_said_whole_below():
    lines = printed(200).splitlines()
    said = "encode_image on cpu, fp32, torch, batch 1, 2 threads"
    assert lines[-2:] == [f"{said}: {COMPARED[0].doubt}", f"{said}: another machine"]
