"""The end of a run: final files from its parts, or from the parts of all its shards."""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfepi.variants import formats
from tfepi.variants.manifest import NAME, Manifest
from tfepi.variants.output import SKIPPED, PartFolder, write_skipped
from tfepi.variants.parts import is_whole
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.files import identity, read_json, remove_parts, same_identity
from tfrecords_tools.folder_lock import sole_writer
from tfrecords_tools.output import check_folder, run_record
from tfrecords_tools.sharding import SHARDS, find_shards

RUN = "run.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Results:
    """What the results of a command are.

    Attributes:
        manifest: class of their manifest.
        names: manifest → names of the final files; each is renamed to its name when whole.
        assemble: (folder, manifest, part folder, VCF) → writes those that are not there yet, and
            returns what run.json is to say of them.
        possible: manifest → names of all files that other options of the command write; those
            of an earlier run are removed with the rest.
        facts: what run.json is to say of them from the start, also a shard's.
    """

    manifest: type[Manifest]
    names: Callable[[Manifest], tuple[str, ...]]
    assemble: Callable[[Path, Manifest, PartFolder, str | Path], dict[str, object]]
    possible: Callable[[Manifest], tuple[str, ...]] = lambda manifest: ()
    facts: Mapping[str, object] = field(default_factory=dict)

    def is_finished(self, folder: Path, manifest: Manifest) -> bool:
        """Tell whether all final files are there."""
        return all((folder / name).exists() for name in self.names(manifest))


def score_results(names: Sequence[str] = formats.DEFAULT) -> Results:
    """Return what the results of scoring are, in some formats.

    Args:
        names: of `formats.FORMATS`.

    Raises:
        ConfigError: as `formats.check_formats`.
    """
    formats.check_formats(names)
    chosen = [formats.FORMATS[name] for name in names]

    def files(manifest: Manifest) -> tuple[str, ...]:
        return (*(name for f in chosen for name in f.names(manifest)), SKIPPED)

    def possible(manifest: Manifest) -> tuple[str, ...]:
        return tuple(name for f in formats.FORMATS.values() for name in f.names(manifest))

    def assemble(
        folder: Path, manifest: Manifest, part_folder: PartFolder, vcf: str | Path
    ) -> dict[str, object]:
        for f in chosen:
            own = f.names(manifest)
            if not all((folder / name).exists() for name in own):
                f.write(folder / own[0], manifest, part_folder, vcf)
        if not (folder / SKIPPED).exists():
            write_skipped(folder / SKIPPED, manifest, part_folder)
        return {}

    return Results(Manifest, files, assemble, possible, {"formats": list(names)})


def merge_shards(
    out: str | Path,
    vcf: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    results: Results | None = None,
    asked: Callable[[Manifest], Manifest] = lambda manifest: manifest,
) -> Path:
    """Write the final files of a run whose shards are all done; the shards stay.

    Args:
        out: the folder given to every shard.
        vcf: the VCF that was scored, where it has moved.
        resume: go on with a merge that was stopped.
        overwrite: remove earlier final files first.
        results: what the parts are of; None for scores, in the formats that the shards were
            asked for.
        asked: the shards' manifest → that of what is asked for, to be compared with it.

    Returns:
        The folder.

    Raises:
        InputFileError: no shards, several splits, a shard missing, unfinished or made from
            something else, a VCF that has changed.
        ConfigError: shards that were asked for different formats.
        UnfinishedError: final files are there, another command writes to the folder, or what is
            asked for differs from what the shards were made from.
    """
    out = Path(out)
    check_folder(out, resume=True)
    shards = find_shards(out, "score")
    if results is None:
        results = score_results(_asked_formats([out / SHARDS / s.folder for s in shards]))
    manifests = [results.manifest.read(out / SHARDS / s.folder) for s in shards]
    manifest = manifests[0]
    for shard, other in zip(shards, manifests, strict=True):
        manifest.check_same(other, out / SHARDS / shard.folder)
    asked(manifest).check_same(manifest, out / SHARDS / shards[0].folder)
    owner: dict[int, Path] = {}
    for shard in shards:
        folder = out / SHARDS / shard.folder
        for number in shard.chunks(manifest.chunks):
            if not is_whole(folder, manifest, number):
                raise InputFileError(
                    f"shard {shard.number}/{shard.count} is not finished: part {number} is "
                    f"missing in {folder}; run it again with --resume"
                )
            owner[number] = folder
    vcf = vcf or manifest.vcf
    if not same_identity(identity(vcf), manifest.inputs["vcf"]):
        raise InputFileError(f"{vcf} has changed since it was scored: give the VCF as it was")
    _claim(out, manifest, results, resume, overwrite)
    with run_record(out, {}, merged=len(shards), **results.facts) as record:
        record["inputs"] = manifest.inputs
        record |= results.assemble(out, manifest, owner.__getitem__, vcf)
    return out


def _asked_formats(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the formats that all shards were asked for, as their run.json says."""
    first: tuple[str, Path] | None = None
    for folder in folders:
        record = read_json(folder / RUN) if (folder / RUN).exists() else {}
        if "formats" not in record:
            continue
        names = record["formats"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputFileError(
                f"{folder / RUN} is damaged: formats are {names!r}; name them with --formats"
            )
        text = ",".join(names)
        first = first or (text, folder)
        if text != first[0]:
            raise ConfigError(
                f"shard {first[1].name} was asked for {first[0]}, {folder.name} for {text}: name "
                "the formats with --formats"
            )
    if first is None:
        _log.info("the shards do not say in which formats: %s", ",".join(formats.DEFAULT))
        return formats.DEFAULT
    return formats.parse_formats(first[0])


def _claim(out: Path, manifest: Manifest, results: Results, resume: bool, overwrite: bool) -> None:
    """Make the folder ready for final files."""
    names = dict.fromkeys((*results.names(manifest), *results.possible(manifest), NAME))
    with sole_writer(out):
        there = [name for name in names if (out / name).exists()]
        if there and not resume and not overwrite:
            raise UnfinishedError(
                f"{out} has {there[0]}: use --resume to go on, --overwrite to merge again"
            )
        remove_parts(out)
        if overwrite:
            for name in there:
                path = out / name
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif NAME in there:
            manifest.check_same(results.manifest.read(out), out)
        manifest.write(out)
