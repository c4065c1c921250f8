"""The data: splits along the genome, leakage, coverage, what was clipped or left out."""

from collections.abc import Sequence

from tfepi.report.karyogram_figure import karyogram
from tfepi.report.page.content import Check, Column, Note, Picture, Section, Table
from tfepi.report.page.folders import CHECK, DATA, MANIFEST, Folder, Runs
from tfepi.report.page.leakage import Shared, shared_windows
from tfepi.report.page.pictures import picture
from tfrecords_tools.intervals import Interval, Regions, covered_bases, merged, read_bed
from tfrecords_tools.statistics import Statistics

_CLIPPED = 0.01
_MISSING = 0.5
_TRACKS = (
    Column("identifier", "target"),
    Column("description", "description"),
    Column("mean", "mean of a bin"),
    Column("sd", "standard deviation"),
    Column("missing", "missing bins, %", 3),
    Column("clipped", "bins at the hard limit, %", 3),
)
_COVERAGE = (
    Column("identifier", "target"),
    Column("covered", "bases with a value, %", 4),
    Column("zero", "bases of value 0, %", 4),
    Column("largest", "largest value of a base"),
    Column("least", "least covered"),
)
_SPLITS = (
    Column("label", "split"),
    Column("windows", "windows", None),
    Column("sequences", "chromosomes or contigs", None),
    Column("kb", "kb in bins", None),
    Column("blacklisted", "of these blacklisted, %", 3),
)
_SHARED = (
    Column("second", "split"),
    Column("windows", "windows", None),
    Column("first", "beside"),
    Column("bins", "share bins", None),
    Column("sequence", "share some sequence", None),
)


def data_section(runs: Runs) -> Section | None:
    """Return the section on the data folders; None without one."""
    folders = runs.of(DATA)
    if not folders:
        return None
    blocks, checks = [], []
    for number, folder in enumerate(folders):
        found = _of_folder(folder, number, len(folders) > 1, runs)
        blocks += found[0]
        checks += found[1]
    for number, folder in enumerate(runs.of(CHECK)):
        rows = coverage_rows(folder.read("check.json").get("tracks") or ())
        if rows:
            caption = f"Coverage of the chromosomes by each track, as {folder.name} found it."
            blocks.append(Table(f"coverage_{number}", caption, _COVERAGE, rows, sort="covered"))
    return Section("data", "Data", blocks, checks)


def coverage_rows(tracks: Sequence[dict]) -> list[dict]:
    """Return what each track of a check covers, over its chromosomes.

    Args:
        tracks: of check.json: "identifier", and "coverage" by chromosome: "bases", and of these
            the shares "covered" and "zero", "mean", "largest".
    """
    rows = []
    for track in tracks:
        parts = track.get("coverage") or ()
        bases = sum(p["bases"] for p in parts)
        if not bases:
            continue
        row: dict = {"identifier": track["identifier"]}
        for key in ("covered", "zero"):
            row[key] = 100 * sum(p[key] * p["bases"] for p in parts) / bases
        row["largest"] = max(p["largest"] for p in parts)
        least = min(parts, key=lambda p: p["covered"])
        row["least"] = f"{least['chrom']}: {100 * least['covered']:.3g}%"
        rows.append(row)
    return rows


def _of_folder(folder: Folder, number: int, several: bool, runs: Runs) -> tuple[list, list[Check]]:
    statistics = Statistics.read(folder.path / "statistics.json")
    windows = read_bed(folder.path / "sequences.bed")
    by_label: dict[str, list[Interval]] = {}
    for window in windows:
        by_label.setdefault(window.label, []).append(window)
    splits = {label: merged(found) for label, found in by_label.items()}
    of = f" of {folder.name}" if several else ""
    bins = statistics.target_length
    text = (
        f"{folder.name}: windows of {statistics.seq_length:,} bp; {bins:,} "
        f"bin{'' if bins == 1 else 's'} of {statistics.pool_width:,} bp between crops of "
        f"{statistics.crop_bp:,} bp; {statistics.num_targets:,} targets."
    )
    blocks = [
        Note(text),
        _karyogram(splits, _lengths(runs), f"karyogram_{number}", of),
        _splits(by_label, splits, _blacklist(folder), f"splits_{number}", of),
    ]
    shared = shared_windows(windows, statistics.crop_bp)
    if shared:
        rows = [vars(s) for s in shared]
        caption = f"Windows{of} that share bases with windows of another split."
        blocks.append(Table(f"leakage_{number}", caption, _SHARED, rows))
    checks = [_leakage(shared, of)]
    dropped = {k: v for k, v in (folder.manifest.get("dropped") or {}).items() if v}
    if dropped:
        parts = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
        blocks.append(Note(f"Windows left out: {parts}."))
    tracks = folder.manifest.get("tracks")
    if not tracks:
        name = folder.name
        blocks.append(
            Note(f"{name} has no {MANIFEST} of tfepi_data.py: targets are not described.")
        )
        return blocks, checks
    rows = _track_rows(folder, len(windows) * bins)
    blocks.append(Table(f"targets_{number}", f"Targets{of}, over all windows.", _TRACKS, rows))
    return blocks, [*checks, *_track_checks(rows, of)]


def _lengths(runs: Runs) -> dict[str, int] | None:
    for folder in runs.of(CHECK):
        chromosomes = folder.read("check.json").get("chromosomes")
        if chromosomes:
            return {c["name"]: c["length"] for c in chromosomes}
    return None


def _karyogram(splits: dict[str, Regions], lengths, name: str, of: str) -> Picture:
    where = "; ".join(f"{label}: {_listed(sorted(found))}" for label, found in splits.items())
    return picture(
        karyogram(splits, lengths),
        name,
        f"Karyogram{of}: where on the genome the windows of each split lie. {where}.",
    )


def _listed(names: list[str], most: int = 6) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _blacklist(folder: Folder) -> Regions | None:
    """Return the blacklisted regions; None where there were none or the file is gone."""
    path = folder.input("blacklist")
    return merged(read_bed(path)) if path else None


def _splits(by_label, splits: dict[str, Regions], black: Regions | None, name: str, of: str):
    rows = []
    for label, regions in splits.items():
        bases = sum(int((s[:, 1] - s[:, 0]).sum()) for s in regions.values())
        share = None
        if black is not None:
            hit = sum(
                int(covered_bases(s, black[c]).sum()) for c, s in regions.items() if c in black
            )
            share = 100 * hit / bases
        rows.append(
            {
                "label": label,
                "windows": len(by_label[label]),
                "sequences": len(regions),
                "kb": round(bases / 1000),
                "blacklisted": share,
            }
        )
    columns = _SPLITS if black is not None else _SPLITS[:-1]
    return Table(name, f"Splits{of}.", columns, rows)


def _leakage(shared: list[Shared], of: str) -> Check:
    name = f"No leakage between splits{of}"
    if not shared:
        return Check(name, "unknown", "there is one split", "hold some chromosomes back for a test")
    worst = max(shared, key=lambda s: (s.bins, s.sequence))
    if worst.bins:
        return Check(
            name,
            "fail",
            f"{worst.bins:,} of {worst.windows:,} windows of {worst.second} have bins that "
            f"{worst.first} has too",
            "split by chromosome (-v, -t), and test again: accuracy here is too high",
        )
    if worst.sequence:
        return Check(
            name,
            "warn",
            f"{worst.sequence:,} of {worst.windows:,} windows of {worst.second} share some "
            f"sequence with {worst.first}, though no bins",
            "split by chromosome (-v, -t) to be sure",
        )
    return Check(
        name,
        "pass",
        f"no base is shared by windows of {len(shared) + 1} splits"
        if len(shared) == 1
        else "no base is shared by windows of two splits",
    )


def _track_rows(folder: Folder, bins: int) -> list[dict]:
    described = {t["identifier"]: t for t in folder.manifest.get("targets", [])}
    return [
        {
            "identifier": track["identifier"],
            "description": described.get(track["identifier"], {}).get("description", ""),
            "mean": track["mean"],
            "sd": track["sd"],
            "missing": 100 * track["missing_share"],
            "clipped": 100 * track["clipped_bins"] / bins,
        }
        for track in folder.manifest["tracks"]
    ]


def _track_checks(rows: list[dict], of: str) -> list[Check]:
    def check(name: str, bad: list[dict], good: str, found: str, advice: str) -> Check:
        if not bad:
            return Check(name + of, "pass", good)
        names = _listed([r["identifier"] for r in bad])
        return Check(name + of, "warn", f"{found}: {names}", advice)

    count = len(rows)
    return [
        check(
            "Targets are hardly clipped",
            [r for r in rows if r["clipped"] > 100 * _CLIPPED],
            f"at most {max(r['clipped'] for r in rows):.2g}% of the bins of a target",
            f"more than {_CLIPPED:.0%} of the bins stand at the hard limit",
            "raise `clip` in the targets table, or add `clip_soft`: peaks look alike there",
        ),
        check(
            "Targets are measured",
            [r for r in rows if r["missing"] > 100 * _MISSING],
            f"{count:,} of {count:,} have values in more than half of their bins",
            f"more than {_MISSING:.0%} of the bins have no value",
            "see whether the file is of this genome, or leave the target out",
        ),
        check(
            "Targets vary",
            [r for r in rows if not r["sd"]],
            f"{count:,} of {count:,}",
            "the same value in every bin",
            "leave the target out: nothing can be learned of it",
        ),
    ]
