"""What each base of a test window adds to a prediction, asked of the model that was tested."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfepi import predictors
from tfepi.analysis.attribution import contributions, local
from tfepi.analysis.attribution_outputs import Bins, Output
from tfepi.evaluation.matching import chosen_targets
from tfepi.report.page.recorded import recorded_file
from tfepi.spec import ModelSpec
from tfrecords_tools.data import Data
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import identity, same_identity
from tfrecords_tools.genome import one_hot
from tfrecords_tools.joined import pool_labels


@dataclass(frozen=True)
class Attributor:
    """A tested model and its data, both as they were.

    Attributes:
        model: the .keras file.
        spec: its contract.
        head: name of the output that was tested.
        data: the data folder.
        label: of the windows.
        rc, shifts: over which predictions were averaged.
    """

    model: Path
    spec: ModelSpec
    head: str
    data: Data
    label: str
    rc: bool
    shifts: tuple[int, ...]

    @property
    def passes(self) -> str:
        """Over what gradients are averaged, in words; "" for one strand and no shift."""
        parts = ["both strands"] if self.rc else []
        if len(self.shifts) > 1:
            parts.append(f"{len(self.shifts)} shifts")
        return f", averaged over {' and '.join(parts)}" if parts else ""

    def sequences(self, windows: Sequence[int]) -> dict[int, np.ndarray]:
        """Return the base indices, uint8 [seq_length], of windows by their position.

        Raises:
            InputFileError: a record that is damaged, or missing.
        """
        wanted, found = set(windows), {}
        for number, (shard, record, features) in enumerate(self.data.frames(self.label)):
            if number in wanted:
                found[number] = self.data.sequence(features, shard, record)
                if len(found) == len(wanted):
                    return found
        raise InputFileError(
            f"{self.data.folder} has no record {max(wanted)} of {self.label}: copy it again"
        )

    def attribute(
        self, target: str, places: Sequence[tuple[int, int]]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return sequences and what each base adds to one bin of each window.

        It is gradient × input, corrected, the usual method of `tfepi.analysis.attribution`.

        Args:
            target: identifier, as the data name it.
            places: window and bin of each.

        Raises:
            ConfigError: the model and its contract do not agree.
            InputFileError: a model or a record that is damaged.
        """
        from tfepi.analysis.attribution_gradient import AveragedScalar

        sequences = self.sequences([window for window, _ in places])
        model = predictors.load_keras(self.model)
        total = self.spec.target_length
        scalar = AveragedScalar.of(
            model, self.spec, self.head, Bins(0, 1, total), self.rc, self.shifts
        )
        output, found = self._output(target), []
        for window, number in places:
            own = replace(scalar, bins=Bins(number, 1, total))
            sequence = sequences[window]
            one = local(sequence[None], lambda codes, own=own: own.gradient(codes, output), True)
            added = contributions(one_hot(sequence).astype(bool), one[0].hypothetical)
            found.append((sequence, added))
        return found

    def _output(self, target: str) -> Output:
        head = self.spec.head(self.head)
        of_head, of_data = chosen_targets(head, self.data)
        names = {self.data.targets[d].identifier: h for h, d in zip(of_head, of_data, strict=True)}
        weights = np.zeros(len(head.targets), np.float32)
        weights[names[target]] = 1
        order = head.strand_order
        partners = weights if order is None else weights[list(order)]
        return Output(target, "t", weights, partners)


def attributor_of(
    manifest: Mapping, folder: Path, data: Path | None, label: str
) -> Attributor | str:
    """Return what attributes predictions of a test, or why that cannot be.

    Args:
        manifest: the value of the test's manifest.json.
        folder: of the test.
        data: the data folder; None for the one that the test recorded.
        label: of the windows tested.

    Raises:
        InputFileError: a data folder or a contract that is damaged.
    """
    inputs, facts = manifest.get("inputs") or {}, manifest.get("facts") or {}
    path, reason = recorded_file(inputs, "model", folder)
    if path is None:
        return reason
    if path.suffix != ".keras":
        kind = "SavedModel" if path.name == "saved_model.pb" else f"{path.suffix} file"
        return f"the model tested is a {kind}, which gives no gradients: test the .keras file"
    spec = predictors.read_spec(path)
    if set(spec.inputs) != {"sequence"} or spec.conditioning is not None:
        return "the model is asked about cell types, of which the test recorded no input"
    if data is None:
        statistics, reason = recorded_file(inputs, "data", folder)
        if statistics is None:
            return reason
        data = statistics.parent
    if not data.is_dir():
        return f"the data folder {data} is not there any more"
    opened = pool_labels(Data.open(data), (label,))
    if opened.manifest_sha256 != facts.get("manifest"):
        return f"the data folder {data} holds other data than were tested"
    if opened.manifest_sha256 is None and not same_identity(
        inputs.get("data") or {}, identity(data / "statistics.json")
    ):
        return f"the data folder {data} has no manifest, and other sizes than were tested"
    head = spec.head(facts.get("head")).name
    shifts = tuple(int(s) for s in facts.get("shifts") or (0,))
    return Attributor(path, spec, head, opened, label, bool(facts.get("rc")), shifts)
