"""The final files of methylation effects, and the VCF with the effects in INFO."""

import logging
from pathlib import Path

import h5py

from tfepi.methylation import variant_tables as tables
from tfepi.methylation.variant_manifest import MethylationManifest
from tfepi.methylation.variant_parts import counted
from tfepi.variants.annotate import InfoField, Notes, index_name, info_text, write_info
from tfepi.variants.merge import Results
from tfepi.variants.output import SKIPPED, PartFolder, parts, write_skipped

ANNOTATED = "variants.vcf.gz"
_TAG = "MRV_"
_COUNTS = ("cpgs", "created", "destroyed")
_log = logging.getLogger(__name__)
_FIELDS = (
    InfoField("MRV_SCORE", "Float", "Largest |ALT - REF| methylation over CpGs and tasks"),
    InfoField("MRV_DIFF", "Float", "ALT - REF of the CpG and task of MRV_SCORE"),
    InfoField("MRV_TASK", "String", "Task of MRV_SCORE"),
    InfoField("MRV_CPG", "Integer", "Position of the C of the CpG of MRV_SCORE, 1-based"),
    InfoField("MRV_CPGS", "Integer", "CpGs within reach in both sequences"),
    InfoField("MRV_CREATED", "Integer", "CpGs within reach in ALT's sequence alone"),
    InfoField("MRV_DESTROYED", "Integer", "CpGs within reach in REF's sequence alone"),
)


def _tables(manifest: MethylationManifest) -> dict[str, object]:
    found = {
        tables.VARIANTS: tables.write_variants,
        tables.TEXT: tables.write_text,
        tables.BED_GRAPH: tables.write_bed_graph,
        tables.NO_CPG: tables.write_no_cpg,
        SKIPPED: write_skipped,
    }
    if manifest.scoring.pairs:
        found[tables.PAIRS] = tables.write_pairs
    if manifest.scoring.compared == "original":
        found[tables.ORIGINAL] = tables.write_original
    return found


def _names(manifest: MethylationManifest) -> tuple[str, ...]:
    return *_tables(manifest), index_name(manifest, ANNOTATED), ANNOTATED


def _assemble(
    folder: Path, manifest: MethylationManifest, part_folder: PartFolder, vcf: str | Path
) -> dict[str, object]:
    """Write the final files that are not there yet, and return what was counted."""
    for name, write in _tables(manifest).items():
        if not (folder / name).exists():
            write(folder / name, manifest, part_folder)
    if not all((folder / n).exists() for n in (ANNOTATED, index_name(manifest, ANNOTATED))):
        names = [info_text(t.identifier) for t in manifest.targets]
        args = (manifest, part_folder, vcf, _TAG, _FIELDS)
        write_info(folder / ANNOTATED, *args, lambda part: _notes(part, names))
    totals = counted(parts(manifest, part_folder))
    _log.info(
        "%d pairs of variant and CpG by %d predicted windows, %.3f a pair; %d more pairs of a "
        "CpG destroyed, %d of one created",
        totals["pairs"],
        totals["windows"],
        totals["windows"] / max(1, totals["pairs"]),
        totals["destroyed_pairs"],
        totals["created_pairs"],
    )
    if not totals["pairs"]:
        _log.warning(
            "no variant has a CpG in reach: nothing is scored; see no_cpg.tsv, or raise --reach"
        )
    return totals


def _notes(part: h5py.File, names: list[str]) -> Notes:
    scores = tables.Scores(part)
    sizes, diffs = scores.of_best(scores.by_task), scores.of_best(scores.diff)
    places, counts = scores.of_best(scores.cpg), {n: part[n][()] for n in _COUNTS}
    found: dict[int, dict[tuple[str, int], str]] = {}
    keys = zip(part["record"][()].tolist(), part["number"][()].tolist(), strict=True)
    for row, (record, number) in enumerate(keys):
        notes = {f"{_TAG}{name.upper()}": str(values[row]) for name, values in counts.items()}
        if scores.scored[row]:
            notes |= {
                "MRV_SCORE": f"{sizes[row]:.6g}",
                "MRV_DIFF": f"{diffs[row]:.6g}",
                "MRV_TASK": names[scores.best[row]],
                "MRV_CPG": str(places[row]),
            }
        found.setdefault(record, {}).update({(n, number): v for n, v in notes.items()})
    return found


EFFECTS = Results(MethylationManifest, _names, _assemble)
