"""The figures of folders of tfepi_enhancers.py: which are drawn, and from what."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np

from tfepi.analysis.attention_run import NAME as ATTENTION
from tfepi.analysis.contribution_run import NAME as CONTRIBUTIONS
from tfepi.analysis.contribution_run import track_name
from tfepi.analysis.effect_distance import EffectDistance
from tfepi.analysis.element_pairs import Element, Pair
from tfepi.analysis.scramble import Tile
from tfepi.analysis.tss import StartSite
from tfepi.report.enhancer_figures import (
    Marked,
    Panel,
    distance_figure,
    pair_effects_figure,
    profile_figure,
)
from tfepi.report.figures import save_figure, short
from tfepi.report.pair_accuracy_figure import accuracy_figure
from tfrecords_tools.files import remove_parts

FOLDER = "figures"
MOST = 10
_STRETCHES = 1536  # of a profile, at most


def draw_contributions(
    folder: Path,
    sites: Sequence[StartSite],
    pairs: Sequence[Pair] = (),
    elements: Sequence[Element] = (),
    most: int = MOST,
) -> int:
    """Draw the contributions in the windows of the first sites; return how many figures.

    Args:
        folder: of `contribution_run.contribute`.
        sites: start sites.
        pairs: table of pairs, whose elements are marked.
        elements: pairs at start sites.
        most: draw so many sites.
    """
    with h5py.File(folder / CONTRIBUTIONS) as file:
        length = file["contributions"].shape[1]
        width = _stretch(length)
        of = "of log2, " if json.loads(file.attrs["options"])["log"] else ""
        per = f"\n{of}per {width} bp"

        def profile(number: int) -> tuple[str, list[Panel]]:
            values = file["contributions"][number].astype(float).reshape(-1, width)
            return f"predicted {file['prediction'][number]:.4g}", [
                Panel(f"Σ |gradient × input|{per}", np.abs(values).sum(axis=1)),
                Panel(f"Σ gradient × input{per}", values.sum(axis=1)),
            ]

        return _draw(folder, sites[:most], file["start"], length, profile, pairs, elements)


def draw_attention(
    folder: Path,
    sites: Sequence[StartSite],
    pairs: Sequence[Pair] = (),
    elements: Sequence[Element] = (),
    most: int = MOST,
) -> int:
    """Draw attention, mean over layers, in the windows of the first sites; as the above.

    Args:
        folder: of `attention_run.read_attention`.
        sites: start sites.
        pairs: table of pairs, whose elements are marked.
        elements: pairs at start sites.
        most: draw so many sites.
    """
    labels = ("share of attention,\nTSS → token", "share of attention,\ntoken → TSS")
    with h5py.File(folder / ATTENTION) as file:
        length = int(file.attrs["length"])
        layers = [file["profiles"][name] for name in file["layers"].asstr()[()]]
        tokens = min(data.shape[-1] for data in layers)
        note = f"mean of {len(layers)} layers, {length // tokens} bp a token"

        def profile(number: int) -> tuple[str, list[Panel]]:
            found = [_pooled(data[number].astype(float), tokens) for data in layers]
            both = zip(labels, np.mean(found, axis=0), strict=True)
            return note, [Panel(label, values, log=True) for label, values in both]

        return _draw(folder, sites[:most], file["start"], length, profile, pairs, elements)


def _draw(
    folder: Path,
    sites: Sequence[StartSite],
    starts: h5py.Dataset,
    length: int,
    profile: Callable[[int], tuple[str, list[Panel]]],
    pairs: Sequence[Pair],
    elements: Sequence[Element],
) -> int:
    """Draw a figure for each site, of what `profile` returns of its number; return how many."""
    _ready(folder)
    for number, site in enumerate(sites):
        note, panels = profile(number)
        place = (site.chrom, int(starts[number]), length, site.position, site.strand)
        marked = _marked(number, pairs, elements)
        figure = profile_figure(f"{_title(site)}: {note}", *place, panels, marked)
        save_figure(figure, folder / FOLDER / track_name(number, site.gene))
    return len(sites)


def _pooled(profile: np.ndarray, tokens: int) -> np.ndarray:
    """Return a profile of fewer tokens: what the TSS gives is summed, what it gets averaged."""
    groups = profile.reshape(2, tokens, -1)
    return np.stack([groups[0].sum(axis=1), groups[1].mean(axis=1)])


def draw_pair_effects(
    folder: Path,
    pairs: Sequence[Pair],
    elements: Sequence[Element],
    effects: dict[str, np.ndarray],
) -> int:
    """Draw effects of elements against distance; return how many figures.

    Args:
        folder: of `scramble_run.scramble`.
        pairs: table of pairs.
        elements: pairs at start sites.
        effects: columns of `scramble_tables.Expressions.effects`.
    """
    if not np.isfinite(effects["log2_ratio"]).any():
        return 0
    _ready(folder)
    label = None
    if pairs[0].label is not None:
        label = np.array([pairs[e.pair].label for e in elements])
    distance = np.array([e.distance for e in elements])
    values = (effects["log2_ratio"], effects["log2_ratio_sd"])
    save_figure(pair_effects_figure(distance, *values, label), folder / FOLDER / "effects")
    return 1


def draw_tile_effects(
    folder: Path,
    sites: Sequence[StartSite],
    tiles: Sequence[Tile],
    by: EffectDistance,
    effects: dict[str, np.ndarray],
) -> int:
    """Draw effects of tiles against distance; return how many figures.

    Args:
        folder: of `scramble_run.scramble`.
        sites: start sites.
        tiles: stretches of every window.
        by: effects by distance.
        effects: columns of `scramble_tables.Expressions.effects`.
    """
    _ready(folder)
    far, place = np.unique(np.abs([t.offset for t in tiles]), return_inverse=True)
    size = np.abs(effects["log2_ratio"]).reshape(len(sites), -1)
    lines = {}
    for number, site in enumerate(sites):
        mean = np.bincount(place, size[number]) / np.bincount(place)
        lines[_title(site) if len(sites) == 1 else f"{number} {_title(site)}"] = (far, mean)
    width = max(t.high - t.low for t in tiles)
    what = "gene" if len({s.gene for s in sites}) == len(sites) else "start site"
    save_figure(distance_figure(by, lines, width, what), folder / FOLDER / "distance")
    return 1


def draw_accuracy(folder: Path, rows: Sequence[dict]) -> int:
    """Draw AUPRC by distance; return how many figures: none where it is not defined.

    Args:
        folder: of the results.
        rows: of `pair_accuracy.pair_accuracy`.
    """
    if not any(r["statistic"] == "auprc" and r["value"] is not None for r in rows):
        return 0
    _ready(folder)
    save_figure(accuracy_figure(rows), folder / FOLDER / "accuracy")
    return 1


def _ready(folder: Path) -> None:
    (folder / FOLDER).mkdir(exist_ok=True)
    remove_parts(folder / FOLDER)


def _title(site: StartSite) -> str:
    name = site.name if site.name and site.name != site.gene else site.gene
    return short(name, 40)


def _stretch(length: int) -> int:
    """Return the smallest power of two that leaves few enough stretches and divides a window."""
    width = 1
    while length // width > _STRETCHES and length % (2 * width) == 0:
        width *= 2
    return width


def _marked(site: int, pairs: Sequence[Pair], elements: Sequence[Element]) -> list[Marked]:
    own = [pairs[e.pair] for e in elements if e.site == site and e.low < e.high]
    return [Marked(p.start, p.end, p.label) for p in own]
