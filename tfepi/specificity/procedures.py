"""Four ways to train a model on many cell types, and which of them an experiment compares.

Source: Kathail et al. (2023), Table 1: a model of one cell type or of all, learning from all of
the genome, from peaks, or from peaks that are not ubiquitous.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfepi.params import Params, TrainParams
from tfepi.specificity.cluster_file import UBIQUITOUS, PeakClusters
from tfepi.specificity.procedure_data import ALL, ON_PEAKS, ON_SPECIFIC
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.files import inside
from tfrecords_tools.targets import Target

EPOCHS, STEPS = BUDGETS = ("epochs", "steps")
FEWEST_CELL_TYPES = 2
ALONE = 3  # cell types of the single-task row unless others are named


@dataclass(frozen=True)
class Procedure:
    """A row of Table 1.

    Attributes:
        name: of its folder and of its rows in tables.
        title: as figures and the summary name it.
        alone: whether each model is of one cell type.
        regions: what it learns from (`procedure_data.REGIONS`).
    """

    name: str
    title: str
    alone: bool
    regions: str


SINGLE, MULTITASK, PEAKS, NON_UBIQUITOUS = PROCEDURES = (
    Procedure("single_task", "1 single task", True, ALL),
    Procedure("multitask", "2 multitask", False, ALL),
    Procedure("multitask_peaks", "3 multitask, peaks", False, ON_PEAKS),
    Procedure("multitask_non_ubiquitous", "4 multitask, non-ubiquitous", False, ON_SPECIFIC),
)


@dataclass(frozen=True)
class Model:
    """One model of the experiment.

    Attributes:
        procedure: how it is trained.
        seed: of its training.
        cell_type: identifier of its only target, or None for all.
    """

    procedure: Procedure
    seed: int
    cell_type: str | None = None

    def path(self, folder: Path) -> Path:
        """Return this model's place in a folder: procedure/seed, and cell type of a single one.

        Raises:
            InputFileError: the cell type's name leads outside.
        """
        place = folder / self.procedure.name / f"seed{self.seed}"
        return place if self.cell_type is None else inside(place, self.cell_type)

    def __str__(self) -> str:
        of = f" {self.cell_type}" if self.cell_type else ""
        return f"{self.procedure.title}{of}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """An experiment.

    Attributes:
        params: of every model alike.
        seeds: each model is trained with.
        cell_types: identifiers of the data's targets.
        alone: those that are trained one by one.
        labels: of training, validation and test windows.
        shifts: bp; test predictions are averaged over these and both strands.
        budget: "epochs": the params' least and most epochs and patience are the same number of
            passes over each procedure's windows, as in the paper; "steps": of as many steps as
            over all windows, so that a smaller set is passed over more often.
    """

    params: Params
    seeds: tuple[int, ...]
    cell_types: tuple[str, ...]
    alone: tuple[str, ...]
    labels: tuple[str, str, str] = ("train", "valid", "test")
    shifts: tuple[int, ...] = (1, 0, -1)
    budget: str = EPOCHS

    def __post_init__(self):
        if self.budget not in BUDGETS:
            raise unknown("budget", self.budget, BUDGETS)
        if not self.seeds:
            raise ConfigError("there are no seeds: want at least one")
        if self.params.conditioning is not None:
            raise ConfigError(
                "the params have a conditioning section: the procedures are compared for models "
                "whose outputs are the cell types; compare conditioned models with "
                "tfepi_conditioning.py"
            )

    def models(self) -> list[Model]:
        """Return every model, seed by seed."""
        return [
            Model(procedure, seed, cell_type)
            for seed in self.seeds
            for procedure in PROCEDURES
            for cell_type in (self.alone if procedure.alone else (None,))
        ]

    def to_json(self) -> dict:
        """Return the JSON value."""
        return {
            "params": self.params.source,
            "train_epochs_max": self.params.train.train_epochs_max,
            "seeds": list(self.seeds),
            "cell_types": list(self.cell_types),
            "single_task": list(self.alone),
            "labels": list(self.labels),
            "shifts": list(self.shifts),
            "budget": self.budget,
        }

    def params_for(self, windows: int, every: int) -> Params:
        """Return the params of a model that learns from some of the windows.

        A set with fewer steps than steps_per_epoch has those it has: the number, which is of all
        windows, is no request that it fails to meet.

        Args:
            windows: it learns from.
            every: training windows of the data.
        """
        train = self.params.train
        steps = steps_of(train, windows)
        if steps < (train.steps_per_epoch or 0):
            train = replace(train, steps_per_epoch=steps)
        if self.budget == EPOCHS or windows == every:
            return replace(self.params, train=train)
        times = -(-steps_of(self.params.train, every) // steps)
        names = ("train_epochs_min", "train_epochs_max", "patience")
        more = {name: getattr(train, name) * times for name in names}
        source = self.params.source | {"train": self.params.source.get("train", {}) | more}
        return replace(self.params, train=replace(train, **more), source=source)


def steps_of(train: TrainParams, windows: int) -> int:
    """Return the steps of an epoch over so many windows, at least one."""
    whole = max(1, windows // train.batch_size)
    return min(train.steps_per_epoch or whole, whole)


def chosen_alone(targets: Sequence[Target], names: Sequence[str]) -> tuple[str, ...]:
    """Return the cell types that are trained one by one.

    Args:
        targets: of the data.
        names: identifiers; none: the middle one of each third of the targets, or all where there
            are no more than three.

    Raises:
        ConfigError: fewer than two targets, an unknown name, or one named twice.
    """
    known = [t.identifier for t in targets]
    if len(known) < FEWEST_CELL_TYPES:
        raise ConfigError(
            f"the data have {len(known)} target: the procedures compare models of one cell type "
            "with models of several, so build data of at least two"
        )
    if not names:
        count = min(ALONE, len(known))
        return tuple(known[(2 * i + 1) * len(known) // (2 * count)] for i in range(count))
    for name in names:
        if name not in known:
            raise unknown("cell type", name, known, "in --single")
        if list(names).count(name) > 1:
            raise ConfigError(f"--single names {name!r} twice: name each cell type once")
    return tuple(names)


def check_clusters(clusters: PeakClusters, path: str | Path) -> None:
    """Check that there are ubiquitous peaks, and others.

    Raises:
        ConfigError: there are not.
    """
    if UBIQUITOUS not in clusters.names:
        raise ConfigError(
            f"{path} has the clusters {', '.join(clusters.names[:8])}, none of which is named "
            f"{UBIQUITOUS!r}: name the cluster of the peaks that are open everywhere so"
        )
    if not clusters.specific().any():
        raise ConfigError(
            f"{path} has no other peaks than {len(clusters)} in the ubiquitous cluster: procedure "
            "4 learns from the others, so cluster with more cell types or another threshold"
        )


def changed(there: Mapping, now: Mapping) -> list[str]:
    """Return what is not the same in two experiments, in words: "seeds [44], now [44, 45]".

    Args:
        there: the value of plan.json.
        now: what it would be.
    """
    found = []
    for name, (old, new) in _pairs(there, now).items():
        if name in ("data", "clusters"):  # which are told by their hash
            found.append(f"other {name}")
        else:
            found.append(f"{name} {json.dumps(old)}, now {json.dumps(new)}")
    return found


def _pairs(there: Mapping, now: Mapping) -> dict[str, tuple]:
    """Return name → (old, new) of the values that differ, in sections within, too."""
    found: dict[str, tuple] = {}
    for name in dict.fromkeys((*there, *now)):
        old, new = there.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found |= _pairs(old, new)
        elif old != new:
            found[name] = (old, new)
    return found
