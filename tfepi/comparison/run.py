"""Models against each other: scores of the same variants, predictions of the same regions."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.comparison.agreement import LEAST, Draws, agreement
from tfepi.comparison.distance import distance_sums, effect_table
from tfepi.comparison.fields import seen_field
from tfepi.comparison.left_out import skipped_kinds
from tfepi.comparison.options import LOG_RATIO, Comparing
from tfepi.comparison.region_part import RegionPart
from tfepi.comparison.scored import (
    Scored,
    check_alike,
    check_source,
    check_span,
    check_variants,
    scored,
)
from tfepi.comparison.series import Series, make_series
from tfepi.comparison.sources import Source
from tfepi.comparison.table import FORMAT, FORMAT_VERSION, write_tables
from tfepi.comparison.values import Values, common_span, read_values, side_by_side
from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.spec import Predictor
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Interval
from tfrecords_tools.output import check_folder, claim_folder, run_record


def compare_models(
    sources: Sequence[Source],
    out: str | Path,
    vcf: str | Path | None = None,
    fasta: str | Path | None = None,
    comparing: Comparing = Comparing(),  # noqa: B008 frozen
    *,
    regions: str | Path | None = None,
    observed: Mapping[str | None, str | Path] | None = None,
    bootstrap: Bootstrap | None = None,
    loads: Mapping[str, Callable[[], Predictor]] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict:
    """Compare models on variants, and on regions where there are some.

    Scores are made in out/scores/NAME, predictions of regions in out/regions/NAME; both are gone
    on with after a stop, and are not made again.

    Args:
        sources: two models or more.
        out: folder that is written.
        vcf: the variants; needed unless every model's scores are there.
        fasta: the genome; likewise, and for regions.
        comparing: the options.
        regions: BED of regions to predict.
        observed: target, or None where one is compared → track of what was measured there.
        bootstrap: how intervals are made; None: the defaults.
        loads: by name of the model, what returns it; else the file named is loaded.
        resume: go on with what is there.
        overwrite: remove what is there.
        quiet: no progress bars.

    Returns:
        The value of compare.json.

    Raises:
        ConfigError: too few models, no common targets, or an option that does not suit.
        InputFileError: a file that cannot be used, scores of other variants, or too few that two
            models can score.
        UnfinishedError: results are there, or were made from something else.
    """
    bootstrap = bootstrap or Bootstrap()
    if len(sources) < 2:
        raise ConfigError(f"{len(sources)} model is given, want at least two to compare")
    _check_inputs(sources, vcf, fasta, regions, observed)
    series = make_series(sources, comparing.targets)
    unscored = [s for s in sources if s.folder is None]
    for source in unscored:
        check_source(source, series, comparing)
    if unscored:
        check_variants(vcf, fasta, comparing, bootstrap)
    given = [scored(s, series, vcf, fasta, Path(), comparing) for s in sources if s.folder]
    for one in given:
        one.check(comparing)
    named = {"vcf": vcf, "fasta": fasta}
    if given:
        check_alike(given, named)
    check_span(sources, given, comparing, regions is not None)
    part = None
    if regions is not None:
        tracks = observed or {}
        part = RegionPart.of(sources, series, regions, fasta, tracks, comparing, bootstrap)
    inputs = {k: v for k, v in (named | {"regions": regions}).items() if v is not None}
    read = inputs | {f"scores of {one.name}": one.folder for one in given}
    check_folder(out, resume, overwrite, read)
    folder = claim_folder(out, resume, overwrite, read)
    with run_record(folder, inputs, comparing=asdict(comparing), seed=bootstrap.seed):
        found, fields, predictions = [], {}, {}
        for source in sources:
            load = _Once((loads or {}).get(source.name) or (source.model and source.model.load))
            place = folder / "scores" / source.name
            place.parent.mkdir(exist_ok=True)
            found.append(scored(source, series, vcf, fasta, place, comparing, load, quiet))
            if source.model is not None:
                of_head = (source.model.head.name, comparing.field_repeats)
                fields[source.name] = seen_field(load(), *of_head, source.model.batch_size)
                if part is not None and not source.of_methylation:
                    place = folder / "regions" / source.name
                    place.parent.mkdir(exist_ok=True)
                    predictions[source.name] = part.predict(source, place, load, quiet)
        identities = check_alike(found, named)
        variants, result, curves = _compared(found, series, comparing, bootstrap)
        result |= {"inputs": identities, "comparing": asdict(comparing)}
        result["fields"] = [{"model": s.name, **fields[s.name]} for s in sources if s.model]
        if part is not None:
            result["regions"] = part.agreement(predictions, bootstrap)
        write_tables(folder, result, variants, curves)
    return result


class _Once:
    """What loads a model when it is asked for first, and keeps it."""

    def __init__(self, load: Callable[[], Predictor] | None):
        self._load, self._loaded = load, None

    def __call__(self) -> Predictor:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded


def _check_inputs(sources, vcf, fasta, regions, observed) -> None:
    unscored = [s.name for s in sources if s.folder is None]
    if unscored and (vcf is None or fasta is None):
        raise ConfigError(
            f"model {unscored[0]} has no scores yet: name the variants with --vcf and the genome "
            "with -f"
        )
    if regions is not None and fasta is None:
        raise ConfigError(f"regions {regions} need the genome: name it with -f")
    if observed and regions is None:
        raise ConfigError("--observed is of regions: name them with --regions")


def _compared(
    found: Sequence[Scored], series: Sequence[Series], comparing: Comparing, bootstrap: Bootstrap
) -> tuple[pd.DataFrame, dict, pd.DataFrame]:
    """Return variants with all scores, the value of compare.json, and effects by distance."""
    for one in found:
        one.check(comparing)
    span = common_span(found, comparing.span) if comparing.stat == LOG_RATIO else None
    values = [read_values(one, series, comparing, span) for one in found]
    rows, places = side_by_side(values)
    scores = [_laid(v.scores, p) for v, p in zip(values, places, strict=True)]
    off = [np.where(p >= 0, v.off[p], False) for v, p in zip(values, places, strict=True)]
    dropped = [o & (comparing.edges == "drop") for o in off]
    names = [one.name for one in found]
    table = rows.copy()
    for number, s in enumerate(series):
        for name, score in zip(names, scores, strict=True):
            end = "" if len(series) == 1 else f"_{s.label}"
            table[f"{name}{end}"] = score[:, number].astype(np.float32)
    for name, one in zip(names, off, strict=True):
        table[f"{name}_beyond_chromosome"] = one
    pairs, blocks = [], None
    for a, b in itertools.combinations(range(len(found)), 2):
        for number, s in enumerate(series):
            first, second = scores[a][:, number], scores[b][:, number]
            usable = np.isfinite(first) & np.isfinite(second) & ~dropped[a] & ~dropped[b]
            counts = {
                "beyond_chromosome": int((dropped[a] | dropped[b]).sum()),
                "undefined": int(
                    ((np.isnan(first) | np.isnan(second)) & ~dropped[a] & ~dropped[b]).sum()
                ),
            }
            if usable.sum() < LEAST:
                raise _too_few(names[a], names[b], int(usable.sum()), len(rows), counts)
            where = rows[usable]
            draws = Draws.of(
                [
                    Interval(c, p - 1, p)
                    for c, p in zip(where.chrom, where.pos.tolist(), strict=True)
                ],
                bootstrap,
            )
            signed = values[a].signed and values[b].signed
            entry = agreement(first[usable], second[usable], draws, comparing, signed)
            blocks = draws.blocks
            entry["blocks"] = {"count": blocks.count, "block_bp": blocks.block_bp}
            pairs.append(
                {"series": s.label, "first": names[a], "second": names[b]} | counts | entry
            )
    curves, widths = _distances(found, values, series, comparing, bootstrap)
    models = [_model(one, v, o) for one, v, o in zip(found, values, off, strict=True)]
    result = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "stat": comparing.stat,
        "span": span,
        "variants": len(rows),
        "models": models,
        "series": [s.to_json() for s in series],
        "pairs": pairs,
        "distance": widths,
        "bootstrap": asdict(bootstrap),
    }
    return table, result, curves


def _laid(scores: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return scores at the places of all variants; NaN where a model has none."""
    return np.where((place >= 0)[:, None], scores[place], np.nan)


def _distances(found, values, series, comparing: Comparing, bootstrap: Bootstrap):
    widths = [s.manifest.window.bin_width for s in found if s.profiles]
    width = comparing.distance_bin or max(widths, default=1)
    frames, within = [], []
    for one, of_model in zip(found, values, strict=True):
        rows = ~of_model.off if comparing.edges == "drop" else np.ones(len(of_model.off), bool)
        block_bp = bootstrap.block_bp if bootstrap.resamples else None
        sums = distance_sums(one, of_model, series, rows, block_bp)
        if sums is not None:
            frame, entries = effect_table(sums, one.name, series, width, bootstrap)
            frames.append(frame)
            within += entries
    columns = (
        "series",
        "model",
        "grid",
        "low",
        "high",
        "relative",
        "relative_low",
        "relative_high",
    )
    empty = pd.DataFrame(columns=columns)
    return (pd.concat(frames, ignore_index=True) if frames else empty), within


def _model(one: Scored, values: Values, off: np.ndarray) -> dict:
    source, window = one.source, one.manifest.window
    entry = {"name": one.name, "kind": "methylation" if one.of_methylation else "coverage"}
    if source.model is not None:
        entry |= {"model": str(source.model.path), "function": source.model.spec.name}
    entry |= {"scores": str(one.folder), "input": window.length}
    if not one.of_methylation:
        entry |= {"bins": window.bins, "bin_width": window.bin_width}
    options = one.manifest.scoring
    entry |= {"rc": options.rc, "shifts": list(getattr(options, "shifts", (0,)))}
    with suppress(AttributeError):
        entry["untransform"] = options.untransform
    undefined = np.isnan(values.scores).any(axis=1)
    return entry | {
        "signed": values.signed,
        "variants": len(values.rows),
        "beyond_chromosome": int(off.sum()),
        "undefined": int(undefined.sum()),
        "skipped": skipped_kinds(one.folder),
    }


def _too_few(first: str, second: str, n: int, rows: int, counts: dict) -> InputFileError:
    why = []
    if counts["beyond_chromosome"]:
        why.append(
            f"the window of one runs beyond the chromosome around {counts['beyond_chromosome']} "
            "(--edges keep lets them count)"
        )
    if counts["undefined"]:
        why.append(f"{counts['undefined']} have no score of one of them")
    because = f"; {'; '.join(why)}" if why else ""
    return InputFileError(
        f"models {first} and {second} both score {n} of {rows} variants, want at least {LEAST} to "
        f"compare them{because}: give more variants"
    )
