"""Example loci of a test: observed and predicted values along stretches that a rule chooses."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.evaluation.predictions import Layout, SavedPredictions
from tfepi.report.accuracy_figures import targets_shown
from tfepi.report.page.content import Block, Note
from tfepi.report.page.letters import letters_plot
from tfepi.report.page.locus_attribution import Attributor, attributor_of
from tfepi.report.page.locus_choice import LOCUS_BINS, Locus, chosen_loci, joining_gap
from tfepi.report.page.number import shown as number_shown
from tfepi.report.page.number import signed
from tfepi.report.page.recorded import name_in, recorded_file
from tfepi.report.page.tracks import Bins, Place, Row, Series, tracks_plot
from tfepi.report.target_names import largest, signal_name
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing_folder, read_json
from tfrecords_tools.genome import decode
from tfrecords_tools.targets import Target, read_targets

MOST_TARGETS = 6
_MOTIF = 10  # bases in a row that the text names
_WHAT = {
    "busiest": "the most observed signal",
    "best": "the best agreement",
    "median": "median agreement",
    "worst": "the worst agreement",
}


@dataclass(frozen=True)
class _Shown:
    """Targets that are shown: themselves, their values by window, and their unit."""

    targets: Sequence[Target]
    columns: Sequence[tuple[np.ndarray, np.ndarray]]
    units: Sequence[str]


def loci_blocks(test: Path, data: Path | None, ask_models: bool = True) -> list[Block]:
    """Return figures of up to four stretches of a test's windows, and what the bases add there.

    Args:
        test: folder of a test; without saved predictions there is a note on how to save them.
        data: data folder that was tested; None for the one that the test recorded.
        ask_models: attribute a prediction of each stretch to bases, if the model and the data are
            what they were.

    Raises:
        InputFileError: a file of the test or of the data is missing or damaged, or two do not
            belong together.
    """
    test = existing_folder(test, "test folder")
    metrics = read_json(test / "metrics.json")
    if not any((test / f"{name}.h5").exists() for name in ("preds", "targets")):
        return [Note(_how_to_save(test))]
    saved = SavedPredictions(test)
    layout = saved.layout
    if layout.bins * layout.bin_width == 1:
        return [Note("The test is of single bases, which make no stretches: no example loci.")]
    entries = _entries(metrics, layout, test)
    manifest = read_json(test / "manifest.json") if (test / "manifest.json").exists() else {}
    found = (
        attributor_of(manifest, test, data, layout.label) if ask_models else "models were not asked"
    )
    numbers = targets_shown(entries, _statistic(entries), MOST_TARGETS)
    described = _described(layout, test, data, manifest)
    unit = _unit(found if isinstance(found, Attributor) else None, entries)
    columns = [saved.column(n) for n in numbers]
    shown = _Shown(
        [described[n] for n in numbers],
        columns,
        [signal_name(described[n], unit, layout.bin_width, largest(*c))
         for n, c in zip(numbers, columns, strict=True)],
    )  # fmt: skip
    gap = joining_gap(layout)
    loci, ranked = chosen_loci(layout, columns, gap=gap)
    places = [_highest(locus, columns[0][1]) for locus in loci]
    blocks: list[Block] = [Note(_rule(layout, gap, len(entries), len(numbers), ranked))]
    letters = None
    if isinstance(found, Attributor):
        letters = found.attribute(shown.targets[0].identifier, places)
    else:
        blocks.append(Note(f"Left out is what each base adds to the predictions: {found}."))
    for number, (locus, place) in enumerate(zip(loci, places, strict=True), 1):
        name = name_in(test, f"locus{number}")
        blocks.append(_tracks(name, layout, locus, ranked, shown, letters and place))
        if letters:
            own = letters[number - 1]
            blocks.append(_letters(f"{name}_letters", layout, found, shown, place, *own))
    return blocks


def _how_to_save(test: Path) -> str:
    path = test / "run.json"
    words = (read_json(path).get("command") if path.exists() else None) or ["tfepi_test.py", "…"]
    again = shlex.join([str(words[0]), "--save", "--overwrite", *map(str, words[1:])])
    return (
        f"{test} holds no predictions, so that there are no example loci. This command saves "
        f"them: {again}"
    )


def _entries(metrics: Mapping, layout: Layout, test: Path) -> list[dict]:
    try:
        entries = metrics["across_positions"]["targets"]
        names = [e["identifier"] for e in entries]
    except (KeyError, TypeError) as error:
        raise InputFileError(f"{test / 'metrics.json'} is damaged: {error!r}") from None
    if names != [t.identifier for t in layout.targets]:
        raise InputFileError(
            f"metrics.json and preds.h5 of {test} are of other targets: test again with --save"
        )
    return entries


def _statistic(entries: Sequence[Mapping]) -> str:
    return "auroc" if any("auroc" in e for e in entries) else "pearsonr"


def _unit(found: Attributor | None, entries: Sequence[Mapping]) -> str:
    """Return what values are; where no contract tells, by what was measured of them."""
    if found is not None:
        return found.spec.head(found.head).units
    return "probability" if _statistic(entries) == "auroc" else "coverage"


def _described(layout: Layout, test: Path, data: Path | None, manifest: Mapping) -> list[Target]:
    """Return the layout's targets, with how their values were made where the data tell."""
    if data is None:
        statistics, _ = recorded_file(manifest.get("inputs") or {}, "data", test)
        data = statistics and statistics.parent
    table = data and data / "targets.txt"
    rows = read_targets(table, extra=True) if table is not None and table.exists() else ()
    known = {row.identifier: row for row in rows}
    return [known.get(t.identifier, t) for t in layout.targets]


def _rule(layout: Layout, gap: int, targets: int, shown: int, ranked: int) -> str:
    which = f"with gaps of up to {gap:,} bp" if gap else "without gaps"
    text = (
        f"These stretches of the {layout.label} windows were chosen by rule, not by eye. Of "
        f"{ranked} stretches {which}, of up to {max(LOCUS_BINS, layout.bins)} bins of "
        f"{layout.bin_width} bp, they are the one with the most observed signal (each target "
        "weighed by its mean), and those whose agreement is highest, median and lowest. Agreement "
        "is Pearson r of observed and predicted values in the stretch, averaged over the targets "
        "shown."
    )
    if shown < targets:
        text += f" Of {targets} targets {shown} are shown, evenly spaced by rank of accuracy."
    return text


def _two(r: float) -> str:
    return f"{r:.2f}".replace("-", "−")


def _highest(locus: Locus, prediction: np.ndarray) -> tuple[int, int]:
    """Return the window and the bin of a locus where most is predicted."""
    values = prediction[locus.windows]
    row, number = np.unravel_index(np.argmax(values), values.shape)
    return int(locus.windows[row]), int(number)


def _bins(layout: Layout, windows: np.ndarray) -> Bins:
    steps = np.arange(layout.bins) * layout.bin_width
    starts = np.concatenate([layout.windows[i].start + steps for i in windows])
    return Bins.of(layout.windows[windows[0]].chrom, starts, layout.bin_width)


def _tracks(
    name: str,
    layout: Layout,
    locus: Locus,
    ranked: int,
    shown: _Shown,
    place: tuple[int, int] | None,
):
    bins = _bins(layout, locus.windows)
    rows, points, peak = [], [], ("", -np.inf, 0.0, "")
    for target, (truth, prediction), unit, r in zip(
        shown.targets, shown.columns, shown.units, locus.agreement, strict=True
    ):
        truth, prediction = truth[locus.windows].ravel(), prediction[locus.windows].ravel()
        agrees = "r undefined" if np.isnan(r) else f"r = {_two(r)}"
        other = target.description if target.description != target.identifier else ""
        note = f"{agrees} here" + (f"; {other}" if other else "")
        series = [Series("observed", "area", truth), Series("predicted", "line", prediction)]
        rows.append(Row(target.identifier, unit, series, note))
        points.append(f"{target.identifier} {'undefined' if np.isnan(r) else _two(r)}")
        if not np.isnan(truth).all() and np.nanmax(truth) > peak[1]:
            k = int(np.nanargmax(truth))
            peak = (target.identifier, float(truth[k]), float(prediction[k]), bins.at(k))
    names = " and ".join(_WHAT[n] for n in locus.names)
    text = f"{bins}, the stretch with {names}"
    if locus.rank is not None:
        text += f" (rank {locus.rank} of {ranked} by agreement, mean r = {_two(locus.mean)})"
    text += f". Grey: observed; blue line: predicted. Pearson r here: {', '.join(points)}."
    if peak[0]:
        text += (
            f" Largest observed value: {number_shown(peak[1], 4)} of {peak[0]} in {peak[3]}, where "
            f"{number_shown(peak[2], 4)} was predicted."
        )
    region = None
    if place is not None:
        start = layout.windows[place[0]].start + place[1] * layout.bin_width
        region = Place("bin of the letters", start, start + layout.bin_width)
    return tracks_plot(name, text, bins, rows, region=region)


def _letters(
    name: str,
    layout: Layout,
    found: Attributor,
    shown: _Shown,
    place: tuple[int, int],
    sequence: np.ndarray,
    added: np.ndarray,
):
    window, number = place
    target, of_bin = shown.targets[0].identifier, _bins(layout, np.array([window])).at(number)
    interval = layout.windows[window]
    start = interval.start - found.data.crop_bp
    top = int(np.abs(added).argmax())
    sums = np.convolve(added, np.ones(min(_MOTIF, len(added))), "valid")
    first = int(sums.argmax())
    motif = decode(sequence[first : first + _MOTIF])
    text = (
        f"What each base adds to {target} (the target predicted best), in the bin of this stretch "
        f"where most of it is predicted, {of_bin}: gradient × input, corrected{found.passes}. "
        f"Largest: {decode(sequence[top : top + 1])} at {interval.chrom}:{start + top:,} with "
        f"{signed(added[top], 3)}. The {len(motif)} bases in a row that add most: {motif} from "
        f"{start + first:,}, {signed(sums[first], 3)}."
    )
    title, note = target, f"gradient × input of {of_bin}"
    return letters_plot(
        name, text, interval.chrom, start, sequence, added, title, shown.units[0], note
    )
