"""What scrambles give: expressions on disk, tables of effects, effects against distance."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.analysis.effect_distance import EffectDistance, effect_distance
from tfepi.analysis.pair_tables import shown, write_pairs
from tfepi.analysis.scramble import Tile, log2_ratio
from tfepi.analysis.site_parts import write_sites
from tfepi.analysis.site_run import SiteRun
from tfepi.analysis.tss import StartSite
from tfepi.analysis.tss_windows import TssWindow
from tfepi.variants.hdf5 import written_hdf5
from tfrecords_tools.files import write_json, write_text

FORMAT, FORMAT_VERSION = "tfepi-scrambles", 1
DISTANCE_FORMAT, DISTANCE_VERSION = "tfepi-effect-distance", 1
TILES, DISTANCE, WIDTHS = "tiles.tsv", "distance.tsv", "distance.json"
_DISTANCE = ("distance", "count", "mean", "low", "high", "median", "signed", "cumulative")


@dataclass(frozen=True)
class Expressions:
    """Predicted expressions.

    Attributes:
        own: of each site's window as it is, float64 [sites].
        replaced: of elements or tiles, float64 [items, replacements]; NaN outside the window.
    """

    own: np.ndarray
    replaced: np.ndarray

    def write(
        self,
        path: Path,
        sites: Sequence[StartSite],
        window: TssWindow,
        options: Mapping[str, object],
    ) -> None:
        """Write HDF5 with `prediction`, `replaced`, and the sites.

        Args:
            path: of the file.
            sites: start sites.
            window: how their windows lie.
            options: kept as an attribute, JSON.
        """
        with written_hdf5(path) as (file, check):
            file.attrs["format"] = FORMAT
            file.attrs["format_version"] = FORMAT_VERSION
            file.attrs["options"] = json.dumps(options)
            write_sites(file, sites, window)
            file["prediction"], file["replaced"] = self.own, self.replaced
            check()

    @classmethod
    def read(cls, path: Path) -> "Expressions":
        """Return what `write` wrote."""
        with h5py.File(path) as file:
            return cls(file["prediction"][()], file["replaced"][()])

    def effects(self, site: np.ndarray, pseudocount: float) -> dict[str, np.ndarray]:
        """Return columns of effects, a value per element or tile, in order.

        Means and standard deviations are over replacements; of one there is no deviation.

        Args:
            site: number of each one's start site.
            pseudocount: of log2 ratios.

        Returns:
            "prediction", "replaced", "difference", "difference_sd", "log2_ratio" and
            "log2_ratio_sd", float64 [items].
        """
        own = self.own[site]
        ratio = log2_ratio(own[:, None], self.replaced, pseudocount)
        deviation = np.full((2, len(own)), np.nan)
        if self.replaced.shape[1] > 1:
            deviation = np.stack([self.replaced.std(axis=1, ddof=1), ratio.std(axis=1, ddof=1)])
        replaced = self.replaced.mean(axis=1)
        return {
            "prediction": own,
            "replaced": replaced,
            "difference": replaced - own,
            "difference_sd": deviation[0],
            "log2_ratio": ratio.mean(axis=1),
            "log2_ratio_sd": deviation[1],
        }


def write_pair_effects(
    folder: Path, run: SiteRun, found: Expressions, pseudocount: float
) -> tuple[dict[str, np.ndarray], list[dict]]:
    """Write pairs.tsv and, of labelled pairs, accuracy.tsv.

    An element regulates if the gene loses expression without it, so its score is −log2_ratio.
    Returns the effects, and rows of `pair_accuracy`.

    Args:
        folder: of the results.
        run: with pairs and elements.
        found: expressions, of elements.
        pseudocount: of log2 ratios.
    """
    effects = found.effects(np.array([e.site for e in run.elements]), pseudocount)
    return effects, write_pairs(folder, run, effects, {"loss": -effects["log2_ratio"]})


def write_tile_effects(
    folder: Path,
    sites: Sequence[StartSite],
    tiles: Sequence[Tile],
    window: TssWindow,
    found: Expressions,
    pseudocount: float,
) -> tuple[dict[str, np.ndarray], EffectDistance]:
    """Write tiles.tsv, and distance.tsv and distance.json of the sizes of log2 ratios.

    Tiles that touch the bins around the TSS are at it, not away from it. Returns the effects of
    tiles, and those of distances.

    Args:
        folder: of the results.
        sites: start sites.
        tiles: stretches of every window.
        window: how windows lie.
        found: expressions, of tiles, site by site.
        pseudocount: of log2 ratios.
    """
    number = np.repeat(np.arange(len(sites)), len(tiles))
    effects = found.effects(number, pseudocount)
    direction = np.array([-1 if s.strand == "-" else 1 for s in sites])
    distance = direction[number] * np.tile([t.offset for t in tiles], len(sites))
    columns = ("gene", "name", "chrom", "tss", "strand", "start", "end", "distance")
    lines = ["\t".join((*columns, *effects))]
    for row, n in enumerate(number.tolist()):
        site, tile = sites[n], tiles[row % len(tiles)]
        start = window.start(site.position)
        cells = [site.gene, site.name, site.chrom, site.position, site.strand]
        cells += [start + tile.low, start + tile.high, int(distance[row])]
        lines.append("\t".join(map(shown, [*cells, *(v[row] for v in effects.values())])))
    write_text(folder / TILES, "\n".join(lines) + "\n")
    low, high = window.span
    near = max((abs(t.offset) for t in tiles if t.low < high and t.high > low), default=0)
    genes = np.unique([s.gene for s in sites], return_inverse=True)[1]
    by = effect_distance(genes[number], distance, effects["log2_ratio"], near)
    lines = ["\t".join(_DISTANCE)]
    columns = [getattr(by, c) for c in _DISTANCE]
    lines += ["\t".join(map(shown, row)) for row in zip(*columns, strict=True)]
    write_text(folder / DISTANCE, "\n".join(lines) + "\n")
    facts = {"format": DISTANCE_FORMAT, "format_version": DISTANCE_VERSION, "at_tss": near}
    write_json(folder / WIDTHS, facts | by.to_json())
    return effects, by
