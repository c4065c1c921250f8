"""A run of attention read-outs: profiles of windows in numbered parts, attention.h5, pairs."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.analysis.attention_readout import (
    DIRECTIONS,
    Profiles,
    background,
    element_attention,
    ratio,
)
from tfepi.analysis.pair_tables import shown, write_pairs
from tfepi.analysis.site_parts import SUFFIX, SiteParts, keras_model, write_sites
from tfepi.analysis.site_run import SiteRun
from tfepi.analysis.tss_windows import BINS, TssWindow
from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.numbered import Plan, remove_all_parts
from tfepi.variants.options import check_predicting
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import write_text

NAME, LAYERS = "attention.h5", "layers.tsv"
RUN_FORMAT, FORMAT, FORMAT_VERSION = "tfepi-attention-run", "tfepi-attention", 1


@dataclass(frozen=True)
class AttentionOptions:
    """What decides read-outs.

    Attributes:
        bins: around the TSS that look and are looked at, an odd number.
        rc: average over both strands.
        shifts: average over these shifts, bp.
        background: compare pairs with other genes at the same distance.
        batch_size: windows per call of the model.

    Raises:
        ConfigError: a value out of range.
    """

    bins: int = BINS
    rc: bool = False
    shifts: tuple[int, ...] = (0,)
    background: bool = False
    batch_size: int = 1

    def __post_init__(self):
        check_predicting(self.shifts, None, self.batch_size)


def read_attention(run: SiteRun, options: AttentionOptions = AttentionOptions()) -> list[dict]:
    """Write how start sites and their windows attend to each other.

    Args:
        run: of a Keras model with attention layers.
        options: what decides the read-outs.

    Returns:
        Rows of `pair_accuracy`, none of pairs without labels.

    Raises:
        InputFileError: a FASTA or site that cannot be used, or a damaged model.
        ConfigError: an option that does not suit the model, a model without attention layers, or
            a background of one gene.
        UnfinishedError: results are there, or were made from something else.
    """
    window = run.window(options.bins, options.shifts)
    if options.background and len({s.gene for s in run.sites}) < 2:
        raise ConfigError("--background compares genes: name at least two")
    parts = SiteParts.of(run.sites, window, options.batch_size)
    cut = {"part_sites": parts.size}

    def ready() -> Profiles:
        model = keras_model(run.load(), "attention weights")
        return Profiles(model, window, options.rc, options.shifts)

    with run.begun(RUN_FORMAT, options, {}, cut, parts.count, SUFFIX, ready) as (
        folder,
        plan,
        genome,
        profiles,
    ):
        if not (folder / NAME).exists():
            if plan.missing(folder):
                of = profiles()
                parts.write(plan, folder, genome, lambda s, _: of(s), "attention", run.quiet)
            _write_file(folder, plan, parts, options)
        remove_all_parts(folder)
        return _write_pairs(folder, run, window, options.background) if run.pairs else []


def _write_file(folder: Path, plan: Plan, parts: SiteParts, options: AttentionOptions) -> None:
    with written_hdf5(folder / NAME) as (file, check):
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["options"] = json.dumps(asdict(options))
        file.attrs["length"] = parts.window.length
        write_sites(file, parts.sites, parts.window)
        # HDF5 lists a group by name, and one that keeps the order keeps the time as well.
        group = file.create_group("profiles")
        for numbers, arrays in parts.read(plan, folder):
            if not numbers.start:
                file["layers"] = np.array([name.encode() for name in arrays])
            for name, values in arrays.items():
                if name not in group:
                    shape = (len(parts.sites), *values.shape[1:])
                    group.create_dataset(name, shape, np.float32, chunks=(1, *values.shape[1:]))
                group[name][numbers.start : numbers.stop] = values
            check()


def _write_pairs(folder: Path, run: SiteRun, window: TssWindow, compared: bool) -> list[dict]:
    found, expected = [], []
    with h5py.File(folder / NAME) as file:
        names = file["layers"].asstr()[()].tolist()
        for name in names:
            own, other = _of_elements(file["profiles"][name], run, window, compared)
            found.append(own)
            expected.append(other)
    columns = dict(zip(DIRECTIONS, np.mean(found, axis=0).T, strict=True))
    if compared:
        usual = np.mean(expected, axis=0).T
        for direction, other in zip(DIRECTIONS, usual, strict=True):
            columns[f"{direction}_expected"] = other
            columns[f"{direction}_ratio"] = ratio(columns[direction], other)
    lines = ["\t".join(("gene", "tss", "chrom", "start", "end", "layer", *DIRECTIONS))]
    for number, element in enumerate(run.elements):
        pair, site = run.pairs[element.pair], run.sites[element.site]
        place = (site.gene, site.position, site.chrom, pair.start, pair.end)
        for layer, name in enumerate(names):
            cells = (*place, name, *found[layer][number])
            lines.append("\t".join(map(shown, cells)))
    write_text(folder / LAYERS, "\n".join(lines) + "\n")
    scores = {n: v for n, v in columns.items() if not n.endswith("_expected")}
    return write_pairs(folder, run, columns, scores)


def _of_elements(
    data: h5py.Dataset, run: SiteRun, window: TssWindow, compared: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return what elements have of one layer, and with `compared` what is expected of them.

    Profiles are read window by window: there may be more than fit into memory.

    Args:
        data: profiles, [sites, 2, tokens].
        run: with elements.
        window: how windows lie.
        compared: with other genes.

    Returns:
        float64 [elements, 2] both: A(TSS → element) and A(element → TSS).
    """
    at_site: dict[int, list[int]] = {}
    of_gene: dict[str, list[int]] = {}
    for number, element in enumerate(run.elements):
        at_site.setdefault(element.site, []).append(number)
    for number, site in enumerate(run.sites):
        of_gene.setdefault(site.gene, []).append(number)
    total = np.zeros(data.shape[1:])
    for number in range(len(run.sites)) if compared else ():
        total += data[number]
    found = np.full((2, len(run.elements), 2), np.nan)
    for site in sorted(at_site):
        profiles = [data[site]]
        if compared:
            own = data[of_gene[run.sites[site].gene]]
            profiles.append(background(total, own, len(run.sites)))
        for number in at_site[site]:
            element = run.elements[number]
            for row, profile in enumerate(profiles):
                place = (element.low, element.high, window.length)
                found[row, number] = element_attention(profile, *place)
    return found[0], found[1]
