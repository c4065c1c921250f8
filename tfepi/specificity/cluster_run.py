"""Cluster peaks by their signal in cell types, and write what was found."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from tfepi.specificity.cluster_file import UBIQUITOUS, PeakClusters, peak_clusters, write_clusters
from tfepi.specificity.cluster_names import Named, Rule, named
from tfepi.specificity.clustering import Clustering, Search, cluster
from tfepi.specificity.peak_calls import CallRule
from tfepi.specificity.peaks import on_chroms, open_in, union
from tfepi.specificity.profiles import NORMALISATIONS, Profiles, profiles, tau
from tfepi.variants.hdf5 import written_hdf5
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.files import atomic_path, write_json
from tfrecords_tools.intervals import Interval, Regions, write_bed
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import claim_folder, run_record

FORMAT, FORMAT_VERSION = "tfepi-peak-clusters", 1
MATRIX_FORMAT = "tfepi-peak-signal"
_FEW = 10  # peaks of a cluster, below which a warning
_log = logging.getLogger(__name__)


class Signal(Protocol):
    """Signal of cell types (`TrackSignal`, `RecordSignal`)."""

    cell_types: tuple[str, ...]

    @property
    def files(self) -> dict[str, Path]: ...

    def at(self, peaks: Sequence[Interval]) -> np.ndarray: ...

    def calls(
        self, rule: CallRule, chroms: Sequence[str] | None = None
    ) -> tuple[list[Regions], list[float]]: ...


@dataclass(frozen=True)
class ClusterOptions:
    """How peaks are clustered.

    Attributes:
        normalise: one of `profiles.NORMALISATIONS`.
        search: methods and numbers of clusters that are tried.
        rule: when a cluster is ubiquitous, and which cell types are its own.
        call: how peaks are called from the signal, where none are given.
        chroms: names of the chromosomes whose peaks count; None: all.
    """

    normalise: str = "quantile"
    search: Search = field(default_factory=Search)
    rule: Rule = field(default_factory=Rule)
    call: CallRule = field(default_factory=CallRule)
    chroms: tuple[str, ...] | None = None

    def __post_init__(self):
        if self.normalise not in NORMALISATIONS:
            raise unknown("normalisation", self.normalise, NORMALISATIONS)


@dataclass(frozen=True)
class Found:
    """What clustering found.

    Attributes:
        peaks: those that have a cluster.
        clusters: of them, in the order of `peaks.names`.
        cell_types: names.
        signal: float32 [peaks, cell types].
        profiles: of all peaks, from whose rows `peaks` are.
        open: which peaks overlap a cell type's own peaks, bool [peaks, cell types]; None where
            only the union of peaks was given.
        clustering: method, number of clusters and what else was tried.
        summary: the value of clusters.json.
    """

    peaks: PeakClusters
    clusters: tuple[Named, ...]
    cell_types: tuple[str, ...]
    signal: np.ndarray
    profiles: Profiles
    open: np.ndarray | None
    clustering: Clustering
    summary: dict


def check_several(cell_types: Sequence[str]) -> None:
    """Refuse fewer than two cell types.

    Raises:
        ConfigError: naming the one there is.
    """
    if len(cell_types) < 2:
        raise ConfigError(
            f"there is one cell type ({', '.join(cell_types)}): what is specific to one shows only "
            "beside others, so give several"
        )


def cluster_peaks(
    source: Signal,
    sets: Mapping[str, Regions] | Regions | None,
    options: ClusterOptions | None = None,
    quiet: bool = True,
) -> tuple[Found, list[Interval]]:
    """Return peaks in disjoint clusters, and the peaks that were left out, labelled by why.

    Args:
        source: signal of at least two cell types.
        sets: peaks of each cell type by name, or of all of them together (chromosome → starts and
            ends); None: called from the signal.
        options: how; None: the defaults.
        quiet: no progress bars.

    Raises:
        ConfigError: fewer than two cell types, peaks of other ones, no peak.
        others: as `profiles.profiles` and `clustering.cluster`.
    """
    options = options or ClusterOptions()
    cells = source.cell_types
    check_several(cells)
    where: dict[str, object] = {"given": "union" if sets else "called from the signal"}
    own: list[Regions] | None = None
    if sets is None:
        own, limits = source.calls(options.call, options.chroms)
        where["thresholds"] = dict(zip(cells, limits, strict=True))
    elif set(sets) == set(cells):
        own = [sets[c] for c in cells]
        where["given"] = "of each cell type"
    peaks = union(own if own is not None else [sets])
    if not peaks:
        lower = "no bin of a cell type is above its threshold: lower --threshold"
        raise ConfigError(f"there is no peak{'' if own is None else f', as {lower}'}")
    if options.chroms is not None:
        peaks = on_chroms(peaks, options.chroms)
    _log.info("%s, after those that overlap or touch are joined", number_of(len(peaks), "peak"))
    signal = source.at(peaks)
    found = profiles(signal, cells, options.normalise)
    if len(found.missing) or len(found.empty):
        _log.warning(
            "left out: %d of %d peaks (no value in some cell type: %d; no signal in any: %d)",
            *(len(peaks) - len(found.rows), len(peaks), len(found.missing), len(found.empty)),
        )
    clustering = cluster(found.share, options.search, quiet)
    named_as = (found.share, found.logged, cells, options.rule)
    number, clusters, joined = named(clustering.of, *named_as)
    kept = [peaks[r] for r in found.rows]
    places = ([p.chrom for p in kept], [p.start for p in kept], [p.end for p in kept])
    of = peak_clusters(*places, [clusters[c].name for c in number])
    by_name = {c.name: c for c in clusters}
    ordered = tuple(by_name[name] for name in of.names)
    summary = _summary(found, clustering, ordered, cells, options)
    summary |= {"joined": joined, "peaks_from": where}
    opened = None if own is None else open_in(kept, own)
    left = [
        Interval(peaks[r].chrom, peaks[r].start, peaks[r].end, why)
        for rows, why in ((found.missing, "missing"), (found.empty, "empty"))
        for r in rows
    ]
    result = (of, ordered, cells, signal[found.rows], found, opened, clustering, summary)
    return Found(*result), sorted(left)


def _summary(
    found: Profiles,
    clustering: Clustering,
    clusters: Sequence[Named],
    cell_types: Sequence[str],
    options: ClusterOptions,
) -> dict:
    search, best = options.search, clustering.chosen
    left = {"missing": len(found.missing), "empty": len(found.empty)}
    flattest = min(clusters, key=lambda c: c.tau)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "cell_types": list(cell_types),
        "peaks": len(found.rows),
        "left_out": left,
        "normalise": options.normalise,
        "profile": "log2(x + 1), over the peak's highest",
        "method": best.method,
        "k": best.k,
        "silhouette": best.silhouette,
        "silhouettes": [
            {
                "method": c.method,
                "k": c.k,
                "silhouette": None if np.isnan(c.silhouette) else c.silhouette,
            }
            for c in clustering.candidates
        ],
        "sample": clustering.sampled,
        "seed": search.seed,
        "rule": asdict(options.rule)
        | {
            "ubiquitous": "clusters with tau <= flat and a mean profile >= open of its highest in "
            "every cell type, joined",
            "cell_types": "those in which a cluster's mean profile is >= belongs of its highest",
        },
        "ubiquitous": UBIQUITOUS if any(c.name == UBIQUITOUS for c in clusters) else None,
        "flattest": {"name": flattest.name, "tau": flattest.tau},
        "clusters": [
            {
                "name": c.name,
                "peaks": c.peaks,
                "tau": c.tau,
                "cell_types": list(c.cell_types),
                "mean_share": dict(zip(cell_types, c.profile.tolist(), strict=True)),
                "mean_log2": dict(zip(cell_types, c.logged.tolist(), strict=True)),
            }
            for c in clusters
        ],
    }


def run_clusters(
    source: Signal,
    sets: Mapping[str, Regions] | Regions | None,
    out: str | Path,
    options: ClusterOptions | None = None,
    inputs: Mapping[str, str | Path] | None = None,
    overwrite: bool = False,
    quiet: bool = True,
) -> Found:
    """Cluster peaks and write clusters.tsv, clusters.json, signal.h5, beds/ and left_out.bed.

    Args:
        source, sets, options, quiet: as of `cluster_peaks`.
        out: folder; made if absent.
        inputs: label → path of what was read besides the source.
        overwrite: remove what is there.

    Raises:
        UnfinishedError: out has results and overwrite was not asked for.
        others: as `cluster_peaks`.
    """
    options = options or ClusterOptions()
    files = {k: str(v) for k, v in (source.files | dict(inputs or {})).items()}
    out = claim_folder(out, None, overwrite, files)
    with run_record(out, files, seed=options.search.seed):
        found, left = cluster_peaks(source, sets, options, quiet)
        if found.summary["ubiquitous"] is None:
            flattest = found.summary["flattest"]
            _log.warning(
                "no cluster is ubiquitous: the flattest, %s, has tau %.2f (want at most %g, and at "
                "least %g of its highest in every cell type)",
                *(flattest["name"], flattest["tau"], options.rule.flat, options.rule.open),
            )
        small = [c.name for c in found.clusters if c.peaks < _FEW]
        if small:
            _log.warning("clusters of fewer than %d peaks: %s", _FEW, ", ".join(small))
        _write(found, left, out)
    return found


def _write(found: Found, left: Sequence[Interval], out: Path) -> None:
    columns = {
        "height": np.round(np.log2(found.signal + 1.0).max(axis=1), 4),
        "tau": np.round(tau(found.profiles.share), 4),
    }
    if found.open is not None:
        names = np.array(found.cell_types, object)
        columns["open_in"] = [",".join(names[row]) for row in found.open]
    columns |= {
        f"signal {cell}": found.signal[:, i].astype(float).round(5)
        for i, cell in enumerate(found.cell_types)
    }
    write_clusters(out / "clusters.tsv", found.peaks, columns)
    (out / "beds").mkdir(exist_ok=True)
    places = found.peaks.intervals()
    for number, name in enumerate(found.peaks.names):
        with atomic_path(out / "beds" / f"{name}.bed") as part:
            write_bed(part, (places[i] for i in np.flatnonzero(found.peaks.cluster == number)))
    if left:
        with atomic_path(out / "left_out.bed") as part:
            write_bed(part, left)
    with written_hdf5(out / "signal.h5") as (file, _):
        file.attrs["format"], file.attrs["format_version"] = MATRIX_FORMAT, FORMAT_VERSION
        peaks = found.peaks
        for name, texts in (
            ("chrom", peaks.chrom),
            ("cell_types", found.cell_types),
            ("clusters", peaks.names),
        ):
            file[name] = np.array([str(t).encode() for t in texts])
        file["start"], file["end"], file["cluster"] = peaks.start, peaks.end, peaks.cluster
        file["signal"] = found.signal.astype(np.float32)
        file["normalised_log2"] = found.profiles.logged.astype(np.float32)
    write_json(out / "clusters.json", found.summary)
