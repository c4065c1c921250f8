"""A run of attention read-outs: profiles of windows in numbered parts, attention.h5, pairs."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.analysis.attention_readout import (
    DIRECTIONS,
    Profiles,
    background,
    element_attention,
)
from tfepi.analysis.element_pairs import Element, Pair
from tfepi.analysis.pair_options import PairOptions
from tfepi.analysis.pair_tables import ACCURACY, TABLE, shown, write_accuracy, write_pairs
from tfepi.analysis.site_parts import (
    SUFFIX,
    SiteParts,
    check_sites,
    keras_model,
    sites_digest,
    write_sites,
)
from tfepi.analysis.tss import StartSite
from tfepi.analysis.tss_windows import BINS, TssWindow
from tfepi.spec import ModelSpec, Predictor, check_shifts
from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.numbered import Plan, remove_all_parts
from tfepi.variants.options import check_predicting
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import identity, write_text
from tfrecords_tools.genome import Genome
from tfrecords_tools.output import check_folder, run_record

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


def read_attention(
    load: Callable[[], Predictor],
    spec: ModelSpec,
    sites: Sequence[StartSite],
    fasta: str | Path,
    out: str | Path,
    options: AttentionOptions = AttentionOptions(),
    *,
    files: Mapping[str, str | Path] | None = None,
    pairs: Sequence[Pair] = (),
    elements: Sequence[Element] = (),
    of_pairs: PairOptions = PairOptions(),  # noqa: B008 frozen
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> list[dict]:
    """Write how start sites and their windows attend to each other.

    Args:
        load: returns the model, a Keras model with attention layers.
        spec: its contract.
        sites: start sites.
        fasta: the genome, plain or bgzip.
        out: output folder.
        options: what decides the read-outs.
        files: label → path of the files that decide model, sites and pairs.
        pairs: table of pairs, for read-outs of elements.
        elements: of `element_pairs.match`, whose sites are these.
        of_pairs: their width, groups and seed.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bar.

    Returns:
        Rows of `pair_accuracy`, none of pairs without labels.

    Raises:
        InputFileError: a FASTA or site that cannot be used, or a damaged model.
        ConfigError: an option that does not suit the model, a model without attention layers, or
            a background of one gene.
        UnfinishedError: results are there, or were made from something else.
    """
    folder, rows = check_folder(out, resume, overwrite), []
    window = TssWindow.of(spec, options.bins)
    check_shifts(spec, options.shifts)
    if options.background and len({s.gene for s in sites}) < 2:
        raise ConfigError("--background compares genes: name at least two")
    parts = SiteParts.of(sites, window, options.batch_size)
    with Genome(fasta) as genome:
        check_sites(sites, genome)
        plan = Plan(
            RUN_FORMAT,
            {k: identity(p) for k, p in {"fasta": fasta, **(files or {})}.items()},
            {
                "options": asdict(options),
                "pairs": asdict(of_pairs) if pairs else None,
                "sites": sites_digest(sites),
                "part_sites": parts.size,
            },
            parts.count,
            SUFFIX,
        )

        def ready() -> Profiles:
            model = keras_model(load(), "attention weights")
            return Profiles(model, window, options.rc, options.shifts)

        # A model that cannot be used must not cost results, nor leave a folder behind.
        profiles = ready() if overwrite or not folder.exists() else None
        plan.claim(folder, resume, overwrite)
        with run_record(folder, {}, sites=len(sites), pairs=len(pairs)) as record:
            record["inputs"] = dict(plan.inputs)
            if not (folder / NAME).exists():
                if plan.missing(folder):
                    of = profiles or ready()
                    parts.write(plan, folder, genome, lambda s, _: of(s), "attention", quiet)
                _write_file(folder, plan, parts, options)
            remove_all_parts(folder)
            if pairs:
                rows = _write_pairs(folder, pairs, sites, elements, window, options, of_pairs)
    return rows


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


def read_profiles(file: h5py.File) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each attention layer, and profiles float32 [sites, 2, tokens].

    Args:
        file: an open attention.h5.
    """
    for name in file["layers"].asstr()[()]:
        yield name, file["profiles"][name][()]


def _write_pairs(
    folder: Path,
    pairs: Sequence[Pair],
    sites: Sequence[StartSite],
    elements: Sequence[Element],
    window: TssWindow,
    options: AttentionOptions,
    of_pairs: PairOptions,
) -> list[dict]:
    names: list[str] = []
    found, expected = [], []
    with h5py.File(folder / NAME) as file:
        for name, profiles in read_profiles(file):
            rows = [(e, profiles[e.site]) for e in elements]
            found.append([element_attention(p, e.low, e.high, window.length) for e, p in rows])
            names.append(name)
            if options.background:
                others = {n: background(profiles, _genes(sites), n) for n in range(len(sites))}
                rows = [(e, others[e.site]) for e in elements]
                expected.append(
                    [element_attention(p, e.low, e.high, window.length) for e, p in rows]
                )
    values = np.array(found).reshape(len(names), len(elements), 2)
    columns = dict(zip(DIRECTIONS, values.mean(axis=0).T, strict=True))
    if options.background:
        usual = np.array(expected).reshape(values.shape).mean(axis=0).T
        for direction, other in zip(DIRECTIONS, usual, strict=True):
            columns[f"{direction}_expected"] = other
            columns[f"{direction}_ratio"] = columns[direction] / other
    write_pairs(folder / TABLE, pairs, sites, elements, columns)
    lines = ["\t".join(("gene", "tss", "chrom", "start", "end", "layer", *DIRECTIONS))]
    for number, element in enumerate(elements):
        pair, site = pairs[element.pair], sites[element.site]
        place = (site.gene, site.position, site.chrom, pair.start, pair.end)
        for layer, name in enumerate(names):
            cells = (*place, name, *values[layer, number])
            lines.append("\t".join(map(shown, cells)))
    write_text(folder / LAYERS, "\n".join(lines) + "\n")
    scored = {n: v for n, v in columns.items() if not n.endswith("_expected")}
    return write_accuracy(
        folder / ACCURACY, pairs, sites, elements, scored, of_pairs.edges, of_pairs.seed
    )


def _genes(sites: Sequence[StartSite]) -> np.ndarray:
    """Return the number of each site's gene."""
    return np.unique([s.gene for s in sites], return_inverse=True)[1]
