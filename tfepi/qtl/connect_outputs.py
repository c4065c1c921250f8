"""Files of one QTL table's connectivity."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.qtl.adjacency import Adjacency, write_adjacency
from tfepi.qtl.connectivity import Connectivity
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import atomic_path

HUB_KINDS = ("connected", "binned")
_QUANTILE = 0.99


@dataclass(frozen=True)
class HubRule:
    """Which bins are hubs.

    Attributes:
        by: "connected" (links) or "binned" (source bins).
        quantile: of connected bins; hubs have at least its degree. None: 0.99.
        degree: instead: hubs have at least so many.

    Raises:
        ConfigError: a value out of range, or both.
    """

    by: str = "connected"
    quantile: float | None = None
    degree: int | None = None

    def __post_init__(self):
        if None not in (self.quantile, self.degree):
            raise ConfigError("--hub_quantile and --hub_degree both say what a hub is: give one")
        if self.quantile is not None and not 0 <= self.quantile <= 1:
            raise ConfigError(f"--hub_quantile is {self.quantile:g}: want a number from 0 to 1")
        if self.degree is not None and self.degree < 1:
            raise ConfigError(f"--hub_degree is {self.degree}: want 1 or more")

    def least(self, degrees: np.ndarray) -> int:
        """Return the smallest degree of a hub.

        Args:
            degrees: of each bin, some above 0.
        """
        if self.degree is not None:
            return self.degree
        quantile = _QUANTILE if self.quantile is None else self.quantile
        return int(np.quantile(degrees[degrees > 0], quantile, method="higher"))


def write_connectivity(
    folder: Path, found: Connectivity, hubs: HubRule, assembly: str, place: str
) -> Mapping[str, int]:
    """Write bins.tsv, degrees.tsv, distances.tsv, hubs.bed and adjacency.npz.

    Args:
        folder: made here.
        found: the connectivity.
        hubs: which bins are hubs.
        assembly: of the positions, or "".
        place: which bin a target belongs to.

    Returns:
        The smallest degree of a hub ("at_least") and their "number".
    """
    folder.mkdir()
    connected, binned = found.connected, found.binned
    chrom, start, end = found.bins.coordinates()
    at = np.flatnonzero(connected)
    names = np.array(found.bins.chroms, object)
    bins = pd.DataFrame({"chrom": names[chrom[at]], "start": start[at], "end": end[at]})
    bins = bins.assign(connected=connected[at], binned=binned[at])
    write_frame(bins, folder / "bins.tsv")
    most = int(connected.max())
    both = [np.bincount(d, minlength=most + 1) for d in (connected, binned)]
    seen = np.flatnonzero(both[0] + both[1])
    counts = {"degree": seen, "connected": both[0][seen], "binned": both[1][seen]}
    write_frame(pd.DataFrame(counts), folder / "degrees.tsv")
    edges = {"from": found.edges[:-1], "to": found.edges[1:], "links": found.distances}
    write_frame(pd.DataFrame(edges), folder / "distances.tsv")
    degrees = {"connected": connected, "binned": binned}[hubs.by]
    least = hubs.least(degrees)
    is_hub = degrees[at] >= least
    table = bins[is_hub].assign(score=degrees[at][is_hub], strand=".")
    rank = table["score"].rank(method="first", ascending=False).astype(int)
    table["name"] = "hub" + rank.astype(str)
    columns = ["chrom", "start", "end", "name", "score", "strand", "connected", "binned"]
    write_frame(table[columns], folder / "hubs.bed", header=False)
    write_adjacency(
        folder / "adjacency.npz", Adjacency(found.adjacency, found.bins, assembly, place)
    )
    return {"at_least": least, "number": len(table)}


def write_frame(frame: pd.DataFrame, path: Path, header: bool = True) -> None:
    """Write a frame as tab-separated text, atomically."""
    with atomic_path(path) as part:
        frame.to_csv(part, sep="\t", index=False, header=header, float_format="%.10g")
