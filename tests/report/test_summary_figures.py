"""Figures of components: what is drawn is what was found."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfepi.report import summary_figures
from tfepi.report.summary_figures import (
    component_figure,
    draw_summaries,
    group_weights,
    plane_figure,
    track_correlations,
)
from tfepi.report.target_names import track_group
from tfepi.variants.components import Components

LABELS = ("CAGE:a", "CAGE:b", "DNASE:c", "CHIP:H3K27ac:c", "CHIP:CTCF:c", "no colon")


def made(count=3, labels=LABELS, varying=None):
    rng = np.random.default_rng(0)
    tracks = len(labels)
    loadings = np.linalg.qr(rng.normal(size=(tracks, count)))[0]
    explained = np.sort(rng.uniform(0.1, tracks / count, count))[::-1]
    names = tuple(f"t{i}" for i in range(tracks))
    moments = (np.zeros(tracks), np.ones(tracks))
    return Components("SAD", names, labels, *moments, loadings, explained, varying or tracks, 99)


@pytest.mark.parametrize(
    ("label", "group"),
    [
        ("DNASE:K562", "DNASE"),
        ("CHIP:H3K4me1:liver", "CHIP, histones"),
        ("CHIP:H2AFZ:liver", "CHIP, histones"),
        ("ChIP:h4k20me1", "CHIP, histones"),
        ("CHIP:HNF4A:liver", "CHIP, others"),
        ("t17", "other"),
    ],
)
def test_kinds_of_tracks(label, group):
    assert track_group(label) == group


def test_weights_against_a_loop():
    components = made(varying=5)
    labels, weights = group_weights(components)
    assert labels == [
        "CAGE (2)",
        "CHIP, histones (1)",
        "CHIP, others (1)",
        "DNASE (1)",
        "other (1)",
    ]
    rows = ((0, 1), (3,), (4,), (2,), (5,))
    for number, tracks in enumerate(rows):
        wanted = [5 * np.mean([components.loadings[t, k] ** 2 for t in tracks]) for k in range(3)]
        np.testing.assert_allclose(weights[number], wanted)


def test_rare_kinds_are_drawn_together():
    labels = (*(f"K{i}:x" for i in range(20)), "K3:y")
    names, weights = group_weights(made(labels=labels))
    assert len(names) == len(weights) == summary_figures.MOST_GROUPS
    assert (names[0], names[-1]) == ("K3 (2)", "rarer kinds (7)")


def test_variance_and_loadings():
    components = made()
    left, right, bar = component_figure(components).axes
    np.testing.assert_allclose([p.get_height() for p in left.patches], components.shares)
    np.testing.assert_allclose(left.lines[0].get_ydata(), np.cumsum(components.shares))
    _, weights = group_weights(components)
    np.testing.assert_allclose(right.get_images()[0].get_array(), weights)
    assert right.get_yticklabels()[0].get_text() == "CAGE (2)"
    assert bar.get_ylabel() == "mean squared loading, 1: an equal share"


def test_of_one_kind_single_tracks_are_drawn():
    labels = tuple(f"CAGE:{i}" for i in range(30))
    _, right, bar = component_figure(made(labels=labels)).axes
    names, values = track_correlations(made(labels=labels))
    assert [t.get_text() for t in right.get_yticklabels()] == names
    np.testing.assert_array_equal(right.get_images()[0].get_array(), values)
    assert right.get_images()[0].get_clim() == (-1, 1)
    assert right.get_title() == "14 of the tracks, with the largest loadings"
    assert bar.get_ylabel() == "correlation of track and component"
    right = component_figure(made(1, labels[:3])).axes[1]
    assert (right.get_title(), len(right.get_yticklabels())) == ("", 3)


def test_correlations_with_components():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6))
    scores[:, 4] = 2.5  # does not vary
    z = (scores - scores.mean(axis=0)) / np.where(np.ptp(scores, axis=0), scores.std(axis=0), 1)
    explained, loadings = np.linalg.eigh(z.T @ z / len(z))
    explained, loadings = explained[:-4:-1], loadings[:, :-4:-1]
    names = tuple(f"t{i}" for i in range(6))
    moments = (scores.mean(axis=0), np.ones(6))
    components = Components("SAD", names, names, *moments, loadings, explained, 5, 400)
    placed = z @ loadings
    kept, found = track_correlations(components)
    assert kept == list(names)
    for track, row in enumerate(found):
        if track == 4:
            np.testing.assert_allclose(row, 0, atol=1e-9)
            continue
        slow = [np.corrcoef(scores[:, track], placed[:, k])[0, 1] for k in range(3)]
        np.testing.assert_allclose(row, slow, atol=1e-9)


def test_tracks_of_the_largest_loadings():
    components = made(labels=tuple(f"K:{i}" for i in range(9)))
    kept, _ = track_correlations(components, 4)
    wanted, size = [], abs(components.loadings)
    for place in range(9):
        for k in range(3):
            track = int(np.argsort(-size[:, k])[place])
            if track not in wanted:
                wanted.append(track)
    assert kept == [f"K:{i}" for i in sorted(wanted[:4])]


def test_a_single_component():
    left, right, _ = component_figure(made(1)).axes
    assert len(left.patches) == 1
    assert right.get_images()[0].get_array().shape[1] == 1


@pytest.mark.parametrize("count", [40, 900])
def test_variants_in_the_plane(count):
    points = np.random.default_rng(1).normal(size=(count, 2))
    points[3, 1] = np.nan
    axis = plane_figure(points, made()).axes[0]
    shown = np.delete(points, 3, axis=0)
    if count < 500:
        np.testing.assert_array_equal(axis.lines[-1].get_xydata(), shown)
    else:
        assert axis.collections[0].get_array().sum() == len(shown)
    assert axis.get_title() == f"{count - 1:,} variants, SAD"
    assert axis.get_xlabel().startswith("component 1 (")


def test_files_and_evenly_spaced_variants(tmp_path, monkeypatch):
    made().write(tmp_path / "components.npz")
    values = np.arange(1000, dtype=np.float32)
    table = pa.table({"PC1": values, "PC2": -values})
    pq.write_table(table, tmp_path / "summaries.parquet", row_group_size=70)
    monkeypatch.setattr(summary_figures, "_POINTS", 300)
    found = summary_figures._first_two(tmp_path / "summaries.parquet")
    np.testing.assert_array_equal(found, np.stack([values, -values], axis=1)[::4])
    paths = draw_summaries(tmp_path)
    assert [p.name for p in paths] == [
        "components.svg",
        "components.png",
        "variants.svg",
        "variants.png",
    ]
    first = [p.read_bytes() for p in paths]
    assert [p.read_bytes() for p in draw_summaries(tmp_path)] == first
    made(1).write(tmp_path / "components.npz")
    assert len(draw_summaries(tmp_path)) == 2
