"""Each variant's scores over many tracks in a few numbers.

Over all tracks, and over subsets of them (`subsets`), and as principal components (`components`).
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tfepi.variants.components import Components, fit
from tfepi.variants.disk import full_disk
from tfepi.variants.numbered import Plan, remove_all_parts, unreadable_part
from tfepi.variants.output import ROW_FIELDS, batch_of, write_batches
from tfepi.variants.score_file import ScoreFile
from tfepi.variants.subsets import (
    Subset,
    check_above,
    parse_subsets,
    subset_columns,
    subset_fields,
)
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import atomic_path, identity
from tfrecords_tools.output import check_folder, run_record
from tfrecords_tools.progress import progress

TABLE, TEXT, COMPONENTS = "summaries.parquet", "summaries.tsv", "components.npz"
FORMAT = "tfepi-summaries"
TABLE_FORMAT = "tfepi-variant-summaries"
FORMAT_VERSION = 1
PART_ROWS = 1 << 15
_BLOCK_BYTES = 32 << 20


def summarise(
    path: str | Path,
    out: str | Path,
    *,
    stat: str = "SAD",
    subsets: Sequence[str] = (),
    above: float | None = None,
    components: int | None = None,
    fit_on: str | Path | None = None,
    loadings: str | Path | None = None,
    part_rows: int = PART_ROWS,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Write summaries.parquet and summaries.tsv, a row per variant, and components.npz.

    Args:
        path: folder of `tfepi_variants.py`, or its scores.h5.
        out: output folder.
        stat: the statistic that is summarised.
        subsets: of the tracks, NAME=QUERY.
        above: count the tracks whose score has at least this magnitude.
        components: how many; 0 for none, None for 20 or as many as there can be.
        fit_on: find the components from these scores, not from `path`'s.
        loadings: components.npz of another run; nothing is fitted.
        part_rows: variants per numbered part.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bars.

    Returns:
        The folder written.

    Raises:
        InputFileError: scores or components that cannot be used.
        ConfigError: an option out of range, or components of other tracks or another statistic.
        UnfinishedError: results are there, or were made from something else.
    """
    folder = check_folder(out, resume, overwrite)
    _check(components, fit_on, loadings, part_rows)
    check_above(above)
    scores = ScoreFile.of(path, stat)
    chosen = parse_subsets(subsets, scores.targets)
    files = {"scores": scores.path}
    found, columns, source = None, None, scores
    if loadings is not None:
        files["loadings"] = Path(loadings)
        found = Components.read(loadings)
        columns = found.columns(scores)  # told now, before there is a folder
    elif fit_on is not None:
        source = ScoreFile.of(fit_on, stat)
        files["fit_on"] = source.path
        if set(source.names) - set(scores.names):
            raise ConfigError(
                f"{scores.path} lacks {len(set(source.names) - set(scores.names))} of the "
                f"{len(source.names)} tracks of {source.path}: score both in the same tracks"
            )
    if components and components > min(source.rows - 1, len(source.targets)):
        raise ConfigError(
            f"components is {components}: {source.rows} "
            f"variant{'' if source.rows == 1 else 's'} and {len(source.targets)} "
            f"track{'' if len(source.targets) == 1 else 's'} have at most "
            f"{min(source.rows - 1, len(source.targets))}"
        )
    plan = Plan(
        FORMAT,
        {label: identity(file) for label, file in files.items()},
        {
            "stat": stat,
            "subsets": {s.name: s.query for s in chosen[1:]},
            "above": above,
            "components": components,
            "part_rows": part_rows,
        },
        -(-scores.rows // part_rows),
        ".parquet",
    )
    plan.claim(folder, resume, overwrite)
    wanted = [TABLE, TEXT] + [COMPONENTS] * (components != 0)
    if all((folder / name).exists() for name in wanted):
        remove_all_parts(folder)
        return folder
    counts = {"variants": scores.rows, "tracks": len(scores.targets)}
    with run_record(folder, {}, **counts) as record:
        record["inputs"] = dict(plan.inputs)
        record["subset_tracks"] = {s.name: len(s.tracks) for s in chosen}
        if components != 0:
            found = _components(folder, source, found, components, quiet)
            record["components"] = found.count
            record["variance_explained"] = round(float(found.shares.sum()), 6)
            columns = columns or found.columns(scores)  # which warns, so once
        schema = _schema(scores, chosen, above, found)
        _write_parts(plan, folder, scores, chosen, above, schema, found, columns, quiet)
        _assemble(plan, folder, schema)
        remove_all_parts(folder)
    return folder


def _check(components: int | None, fit_on: object, loadings: object, part_rows: int) -> None:
    if components is not None and components < 0:
        raise ConfigError(f"components is {components}: want 1 or more, or 0 for none")
    if fit_on is not None and loadings is not None:
        raise ConfigError("--fit_on and --loadings both say where components are from: give one")
    for name, value in (("fit_on", fit_on), ("loadings", loadings)):
        if value is not None and components == 0:
            raise ConfigError(f"--{name} {value} is given, and no components: leave one out")
    if loadings is not None and components is not None:
        raise ConfigError(
            f"--components {components}: those of {loadings} are all there are, leave it out"
        )
    if part_rows < 1:
        raise ConfigError(f"part_rows is {part_rows}: want at least 1")


def _components(
    folder: Path, source: ScoreFile, given: Components | None, count: int | None, quiet: bool
) -> Components:
    """Return the components that are given, were found before, or are found now."""
    path = folder / COMPONENTS
    if not path.exists():
        (given or fit(source, count, quiet)).write(path)
    return Components.read(path)


def _schema(
    scores: ScoreFile,
    subsets: Sequence[Subset],
    above: float | None,
    components: Components | None,
) -> pa.Schema:
    fields = list(ROW_FIELDS)
    for subset in subsets:
        fields += subset_fields(subset.name, above)
    count = components.count if components else 0
    fields += [pa.field(f"PC{i + 1}", pa.float32()) for i in range(count)]
    facts = {
        "format": TABLE_FORMAT,
        "format_version": str(FORMAT_VERSION),
        "stat": scores.stat,
        "subsets": json.dumps({s.name: s.query for s in subsets[1:]}),
    }
    if above is not None:
        facts["above"] = str(above)
    return pa.schema(fields, metadata=facts)


def _write_parts(
    plan: Plan,
    folder: Path,
    scores: ScoreFile,
    subsets: Sequence[Subset],
    above: float | None,
    schema: pa.Schema,
    components: Components | None,
    columns: Sequence[int] | None,
    quiet: bool,
) -> None:
    """Write the parts that are missing; columns are the places of the components' tracks."""
    part_rows = plan.facts["part_rows"]
    step = max(1, _BLOCK_BYTES // (8 * len(scores.targets)))
    todo = plan.missing(folder)
    done = scores.rows - sum(min(part_rows, scores.rows - n * part_rows) for n in todo)
    with progress(
        total=scores.rows, unit="variants", label="summarise", quiet=quiet, initial=done
    ) as bar:
        for number in todo:
            first = number * part_rows
            last = min(first + part_rows, scores.rows)

            def batches(first: int = first, last: int = last) -> Iterator[pa.RecordBatch]:
                for low, block in scores.scores(step, first, last):
                    found: dict[str, object] = dict(scores.variants(low, low + len(block)))
                    for subset in subsets:
                        found |= subset_columns(block, subset, scores.names, above)
                    if components:
                        placed = components.project(block[:, columns]).astype(np.float32)
                        found |= {f"PC{i + 1}": c for i, c in enumerate(placed.T)}
                    yield batch_of(found, schema)
                    bar.update(len(block))

            write_batches(plan.part(folder, number), schema, batches())


def _assemble(plan: Plan, folder: Path, schema: pa.Schema) -> None:
    """Join the parts into both tables."""

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(plan.parts):
            path = plan.part(folder, number)
            try:
                with pq.ParquetFile(path) as part:
                    yield from part.iter_batches()
            except (OSError, pa.ArrowInvalid) as error:
                raise unreadable_part(path, error) from None

    if not (folder / TABLE).exists():
        whole = (pa.RecordBatch.from_arrays(b.columns, schema=schema) for b in batches())
        write_batches(folder / TABLE, schema, whole)
    path = folder / TEXT
    with atomic_path(path) as part, full_disk(path), open(part, "w", encoding="utf-8") as out:
        out.write("\t".join(schema.names) + "\n")
        for batch in batches():
            batch.to_pandas().to_csv(
                out, sep="\t", header=False, index=False, float_format="%.6g", na_rep="NA"
            )
