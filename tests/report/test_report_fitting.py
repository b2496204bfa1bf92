"""What does not fit is left out line by line, from the end, and said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clipeval.report.fitting import FEWEST_LINES, Section, fit

LEFT = "left out here; report.html in the run folder has all."


def section(n_lines, *, width=10, **changes):
    given = {"lines": tuple(f"{i:0{width}d}" for i in range(n_lines)), "nouns": ("row", "rows")}
    return Section(**{**given, **changes})


def test_what_fits_is_whole():
    first = section(2, width=1, opening="<", closing=">")
    text = fit("head", [first, section(0), section(1, width=1, between="\n\n")], max_bytes=100)
    assert text == "head\n\n<0\n1>\n\n0\n"


def test_the_last_section_loses_its_last_lines_and_keeps_its_frame():
    text = fit("head", [section(3), section(40, opening="<", closing=">")], max_bytes=400)
    first, _, rest = text.partition("\n\n<")
    assert first == "head\n\n0000000000\n0000000001\n0000000002"
    shown, _, told = rest.partition("\n\n")
    n_shown = len(shown.splitlines())
    assert FEWEST_LINES < n_shown < 40
    assert told == f"{40 - n_shown} rows {LEFT}>\n"
    assert 400 - 11 <= len(text) <= 400  # another line would not have fitted


def test_every_section_keeps_some_lines_as_long_as_it_can():
    text = fit("head", [section(200), section(200)], max_bytes=1000)
    first, second = text.split(LEFT)[:2]
    assert second.count("0000000") == FEWEST_LINES
    assert first.count("0000000") > FEWEST_LINES


def test_a_section_may_be_left_out_whole():
    text = fit("head", [section(1, width=200)], max_bytes=100)
    assert text == f"head\n\n1 row {LEFT}\n"


def test_no_more_lines_than_a_section_allows():
    assert fit("head", [section(3, width=1, most=2)], max_bytes=1000) == (
        f"head\n\n0\n1\n\n1 row {LEFT}\n"
    )


LINES = st.lists(st.text("aé😀", min_size=1, max_size=60), max_size=60).map(tuple)
SECTIONS = st.lists(
    st.builds(
        section,
        st.just(0),
        lines=LINES,
        opening=st.text("<", max_size=20),
        closing=st.text(">", max_size=20),
        between=st.sampled_from(["\n", "\n\n"]),
        most=st.integers(1, 100),
    ),
    max_size=6,
)


@given(SECTIONS, st.integers(600, 3000))
def test_the_text_is_never_longer_and_holds_whole_lines_alone(sections, max_bytes):
    text = fit("head", sections, max_bytes=max_bytes)
    assert len(text.encode()) <= max_bytes
    assert text.startswith("head\n")
    allowed = {line for one in sections for line in one.lines}
    for line in text.splitlines()[1:]:
        bare = line.strip("<>")
        assert bare in allowed or bare.endswith(LEFT) or not bare
    n_shown = sum(line.strip("<>") in allowed for line in text.splitlines())
    n_told = sum(int(line.split()[0]) for line in text.splitlines() if LEFT in line)
    assert n_shown + n_told == sum(len(one.lines) for one in sections)
