"""Labels do not overlap, bars match the intervals, and ticks are inside the axes."""

import itertools

import pytest

from morphogen.report.rows import read_rows
from morphogen.report.scatter import place_labels, scatter
from morphogen.report.svg import linear, logarithmic
from morphogen.report.table import columns, table
from report.rows_of import REPORT, changed, interval


def disjoint(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize("spread", [40.0, 12.0, 1.0])
def test_labels_overlap_neither_each_other_nor_a_disc(spread):
    discs = [(300 + spread * (i % 3), 200 + spread * (i // 3), 6.0) for i in range(8)]
    boxes = place_labels(discs, [(90.0, 28.0)] * 8, (40, 10, 700, 400))
    round_discs = [(x - r, y - r, x + r, y + r) for x, y, r in discs]
    assert all(disjoint(*pair) for pair in itertools.combinations(boxes, 2))
    assert all(disjoint(box, disc) for box in boxes for disc in round_discs)
    assert all(box[0] >= 40 and box[1] >= 10 and box[2] <= 700 and box[3] <= 400 for box in boxes)


def test_the_plot_shows_every_model_and_a_lane_for_models_without_likelihood():
    plot = scatter(read_rows(REPORT["rows"]), "bits/dim")
    assert plot.count("<circle") == 4 and 'class="lane"' in plot
    assert all(f">{name}<" in plot for name in ("em", "cnn", "gan", "ddpm", "WebP lossless"))
    assert 'class="lane"' not in scatter(
        read_rows([row for row in REPORT["rows"] if row["system"] != "gan"]), "bits/dim"
    )
    assert scatter(read_rows(REPORT["rows"][:1]), "bits/dim") == ""


def test_a_distance_of_zero_is_shown_on_the_logarithmic_axis():
    assert "nan" not in scatter(read_rows(changed("cnn", frechet=interval(0.0, 0.0))["rows"]), "bits/dim")


def test_ticks_are_inside_the_scale_and_increasing():
    for scale in (linear(1.93, 2.61, 0, 100), linear(0, 0, 0, 100), logarithmic(0.02, 70, 0, 100)):
        assert all(-1e-6 <= scale.at(tick) <= 100 + 1e-6 for tick in scale.ticks) and len(scale.ticks) >= 1
        assert list(scale.ticks) == sorted(scale.ticks)


def test_bars_match_the_intervals_and_models_overlapping_the_best_are_bold():
    rows = read_rows(changed("gan", frechet=interval(3.5, 0.5))["rows"])
    shown = columns(rows, "bits/dim")
    assert "recognised" not in [column.key for column in shown], "a column without figures is omitted"
    index = [column.key for column in shown].index("frechet")
    cells = {row.name: line[index] for row, line in zip(rows, table(rows, shown), strict=True)}
    assert {name for name, cell in cells.items() if cell.leading} == {"cnn", "gan"}
    assert cells["real data"].bar[0] == 0.0 and sum(cells["ddpm"].bar[:2]) == pytest.approx(100, abs=0.2)
    assert cells["WebP lossless"].text == "–" and cells["WebP lossless"].bar is None
