"""What is compared: a model that scores the variants, or the folder of scores it has made."""

from dataclasses import dataclass, replace
from pathlib import Path

from tfepi.comparison.named import Named
from tfepi.evaluation.named_model import CellChoice, NamedModel
from tfepi.methylation.variant_manifest import MethylationManifest
from tfepi.spec import METHYLATION
from tfepi.variants.manifest import NAME, Manifest
from tfepi.variants.score_file import RUN, ScoreFile
from tfepi.variants.scores import PREDICTIONS
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.files import identity, read_json, same_identity
from tfrecords_tools.target_query import query_targets
from tfrecords_tools.targets import Target


@dataclass(frozen=True)
class Source:
    """A model and where its scores come from.

    Attributes:
        name: of the model.
        model: that scores and predicts; None of a folder alone.
        folder: of scores that are there already, or None.
        targets: what it can be compared by; of scores that are there those which have one.
        mean: compare the mean over them.
        rc: average predictions over both strands.
        untransform: undo the targets' transforms (`untransform.STYLES`), or None.
    """

    name: str
    model: NamedModel | None
    folder: Path | None
    targets: tuple[Target, ...]
    mean: bool = False
    rc: bool = False
    untransform: str | None = None

    @property
    def of_methylation(self) -> bool:
        """Whether it predicts the methylation of CpGs."""
        if self.model is not None:
            return self.model.spec.kind == METHYLATION
        return isinstance(read_manifest(self.folder), MethylationManifest)

    @classmethod
    def of(cls, named: Named, fasta: str | Path | None = None, rc: bool = False) -> "Source":
        """Return what an argument names, checked before any model is loaded.

        Args:
            named: the argument.
            fasta: the genome, for inputs besides the sequence.
            rc: average over both strands, whatever the argument says.

        Raises:
            InputFileError: a model or folder that is missing or damaged.
            ConfigError: as `NamedModel.of`; a folder of scores of another model.
        """
        options = named.options
        mean = bool(options.get("mean")) or "query" in options
        if len(named.paths) == 1:
            folder = Path(named.paths[0])
            targets = read_manifest(folder, named.name).targets
            if "query" in options:
                found = query_targets(targets, options["query"], f"scores {folder}")
                targets = tuple(targets[i] for i in found)
            return cls(named.name, None, folder, targets, mean)
        size = options.get("batch_size")
        if size is not None and not size.isdecimal():
            raise ConfigError(f"model {named.name}: batch_size {size!r} is no whole number")
        choice = CellChoice(*(options.get(k) for k in ("cell", "tracks", "accessibility")), fasta)
        model = NamedModel.of(
            *named.paths,
            options.get("table"),
            options.get("head"),
            int(size) if size else None,
            choice,
            options.get("query"),
        )
        found = cls(
            named.name,
            model,
            Path(options["scores"]) if "scores" in options else None,
            model.targets or model.head.targets,
            mean,
            rc or bool(options.get("rc")),
            options.get("untransform"),
        )
        if found.folder is None:
            return found
        manifest = read_manifest(found.folder, named.name)
        found._check_own(manifest)
        if mean:
            return found
        there = {t.identifier for t in manifest.targets}
        return replace(found, targets=tuple(t for t in found.targets if t.identifier in there))

    def _check_own(self, manifest: Manifest) -> None:
        """Refuse scores that another model made."""
        made_by = {k: v for k, v in manifest.inputs.items() if k == "model"}
        mine = {k: identity(p) for k, p in self.model.files.items() if k == "model"}
        if not all(same_identity(mine.get(k, {}), v) for k, v in made_by.items()):
            raise InputFileError(
                f"scores {self.folder} were made by another model than {self.model.path}: name its "
                "own, or leave scores= out"
            )


def read_manifest(folder: str | Path, name: str = "") -> Manifest:
    """Return the manifest of a finished folder of scores, of coverage or of methylation.

    Args:
        folder: of `tfepi_variants.py` or `tfepi_methylation.py variants`.
        name: of the model, for messages.

    Raises:
        InputFileError: no such folder.
        UnfinishedError: its run was not finished.
    """
    folder, of_model = Path(folder), f"model {name}: " if name else ""
    if not folder.is_dir() or not (folder / NAME).exists():
        what = "has no manifest.json" if folder.is_dir() else "is no folder"
        raise InputFileError(
            f"{of_model}{folder} {what}: want a folder of tfepi_variants.py or "
            "tfepi_methylation.py variants, or NAME=PARAMS,MODEL"
        )
    if read_json(folder / NAME).get("format") != MethylationManifest.FORMAT:
        stats = read_json(folder / NAME).get("scoring", {}).get("stats", [])
        if not stats or set(stats) - set(PREDICTIONS):
            ScoreFile.of(folder, next((s for s in stats if s not in PREDICTIONS), "SAD"))
        return Manifest.read(folder)
    record = read_json(folder / RUN) if (folder / RUN).exists() else {}
    if record.get("outcome") != "finished":
        raise UnfinishedError(
            f"{of_model}scores {folder} are not finished: run tfepi_methylation.py variants with "
            "--resume"
        )
    return MethylationManifest.read(folder)
