"""What a folder of variant scores was made from, and the check that lets a run go on."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Self

from tfepi.variants.alleles import Window
from tfepi.variants.checks import Survey
from tfepi.variants.numbered import NAME, changed_inputs, other_run
from tfepi.variants.options import Scoring
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import read_json, write_json
from tfrecords_tools.targets import Target

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """The facts that decide every byte of the results.

    A command with other results has a class of its own, with a format and with what its options
    and its window are.

    Attributes:
        inputs: label → identity of each input file ("vcf", "fasta", "model…").
        scoring: the options.
        window: the model's window.
        targets: what is scored, in order.
        survey: what the VCF holds.
        chunk_records: records of the VCF per numbered part.
    """

    FORMAT: ClassVar[str] = "tfepi-variants"
    SCORING: ClassVar[type] = Scoring
    WINDOW: ClassVar[type] = Window

    inputs: dict[str, dict]
    scoring: Scoring
    window: Window
    targets: tuple[Target, ...]
    survey: Survey
    chunk_records: int

    @property
    def chunks(self) -> int:
        """Number of parts."""
        return -(-self.survey.records // self.chunk_records)

    @property
    def vcf(self) -> str:
        """Path of the VCF as given."""
        return self.inputs["vcf"]["path"]

    def to_json(self) -> dict:
        """Return the JSON value of manifest.json."""
        return {
            "format": self.FORMAT,
            "format_version": FORMAT_VERSION,
            "inputs": self.inputs,
            "scoring": asdict(self.scoring),
            "window": asdict(self.window),
            "targets": [t.to_json() for t in self.targets],
            "survey": asdict(self.survey),
            "chunk_records": self.chunk_records,
        }

    @property
    def digest(self) -> str:
        """SHA-256 of everything but the paths; each part carries it."""
        value = self.to_json()
        value["inputs"] = {k: _content(v) for k, v in self.inputs.items()}
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()

    def write(self, folder: Path) -> None:
        """Write folder/manifest.json."""
        write_json(folder / NAME, self.to_json())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read folder/manifest.json.

        Raises:
            InputFileError: missing, another format or version, or damaged.
        """
        path = folder / NAME
        value = read_json(path)
        if value.get("format") != cls.FORMAT or value.get("format_version") != FORMAT_VERSION:
            raise InputFileError(
                f"{path} has format {value.get('format')!r} version "
                f"{value.get('format_version')!r}, want {cls.FORMAT!r} version {FORMAT_VERSION}"
            )
        try:
            return cls(
                inputs=value["inputs"],
                scoring=cls.SCORING.from_json(value["scoring"]),
                window=cls.WINDOW(**value["window"]),
                targets=tuple(Target(**t) for t in value["targets"]),
                survey=Survey(**value["survey"]),
                chunk_records=value["chunk_records"],
            )
        except (KeyError, TypeError, ConfigError) as error:
            raise InputFileError(f"{path} is damaged: {error!r}") from None

    def check_same(self, old: Self, folder: Path) -> None:
        """Refuse to go on in a folder whose parts were made from something else.

        Raises:
            UnfinishedError: names what changed.
        """
        if self.digest == old.digest:
            return
        changed = changed_inputs(self.inputs, old.inputs)
        mine, theirs = asdict(self.scoring), asdict(old.scoring)
        changed += [f"option {k}" for k in mine if mine[k] != theirs.get(k)]
        if self.chunk_records != old.chunk_records:
            changed.append("option chunk_records")
        raise other_run(folder, ", ".join(changed) or "the model's window or targets")


def _content(identity: dict) -> dict:
    return {k: v for k, v in identity.items() if k != "path"}
