"""The model that a command line names, checked against params.json before it is loaded."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tfepi import predictors
from tfepi.cell_inputs import CellInputs
from tfepi.cell_predictor import (
    PredictedAccessibility,
    accessibility_columns,
    cell_spec,
    in_cell,
)
from tfepi.evaluation import matching
from tfepi.params import Params, read_params
from tfepi.spec import Head, ModelSpec, Predictor
from tfepi.variants.options import check_stated, default_batch_size
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import Genome
from tfrecords_tools.target_query import query_targets
from tfrecords_tools.targets import Target, is_numbered, read_targets

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CellChoice:
    """The cell type that a conditioned model is asked about.

    Attributes:
        cell: its name, or None.
        tracks: table of input tracks, or None.
        accessibility: model that predicts accessibility, instead of tracks, or None.
        fasta: the genome, whose chromosomes the tracks must have.
        chroms: those of them that every track must have, where that is known; else ().
    """

    cell: str | None = None
    tracks: str | Path | None = None
    accessibility: str | Path | None = None
    fasta: str | Path | None = None
    chroms: tuple[str, ...] = ()


@dataclass(frozen=True)
class NamedModel:
    """A model and what is asked of it.

    Attributes:
        path: of the model.
        params: the params.json it was made with.
        spec: its contract.
        head: the output asked for.
        targets: the rows of a table that are asked for; None for all of the head.
        batch_size: sequences per call.
        files: label → path of the files whose content is the model.
        choice: the cell type asked about.
        condition: the inputs besides the sequence, by place; None of a model without.
    """

    path: str | Path
    params: Params
    spec: ModelSpec
    head: Head
    targets: tuple[Target, ...] | None
    batch_size: int
    files: dict[str, Path]
    choice: CellChoice = field(default_factory=CellChoice)
    condition: CellInputs | None = None

    @classmethod
    def of(
        cls,
        params: str | Path,
        model: str | Path,
        table: str | Path | None = None,
        head: str | None = None,
        batch_size: int | None = None,
        choice: CellChoice = CellChoice(),
        query: str | None = None,
    ) -> "NamedModel":
        """Return the model of a command line.

        Args:
            params: path of a params.json, or a preset's name.
            model: run folder, .keras file, SavedModel folder, an .h5 of Basenji, or Enformer or
                Borzoi as published.
            table: targets table; of a model without names of its own, rows of some outputs only
                are warned of.
            head: an output, by name or number; of an .h5 the head it was saved for.
            batch_size: sequences per call; None for a number that suits the model.
            choice: of a conditioned model.
            query: only the targets that it matches (`target_query`), among the table's or else
                the head's.

        Raises:
            InputFileError: a file that is missing or damaged.
            ConfigError: an unknown head, sizes that differ from params.json's, a cell type that a
                conditioned model is not asked about, or another model is; a query that matches
                nothing.
        """
        parsed = read_params(params, training=False)
        targets = read_targets(table) if table else None
        spec = predictors.read_spec(model, parsed, targets, head)
        found = spec.head(None if predictors.is_h5(model) else head)
        check_stated(matching.stated_sizes(parsed.model), spec, found)
        size = default_batch_size(spec, found) if batch_size is None else batch_size
        files = matching.model_files(model, params)
        condition = _condition(spec, choice)
        if choice.cell is not None:
            found = cell_spec(spec, choice.cell).head()
        if choice.accessibility is not None:
            of_other = matching.model_files(choice.accessibility)
            files |= {f"accessibility {k}": v for k, v in of_other.items()}
        if condition is not None:
            files |= condition.files
        if query is not None:
            where = f"targets table {table}" if table else f"the model's head {found.name!r}"
            among = targets or found.targets
            nameless = "name the table with -t"
            targets = tuple(among[i] for i in query_targets(among, query, where, nameless))
        return cls(model, parsed, spec, found, targets, size, files, choice, condition)

    @property
    def asked(self) -> ModelSpec:
        """The contract of what `load` returns."""
        spec = self.spec if self.choice.cell is None else cell_spec(self.spec, self.choice.cell)
        if self.choice.accessibility is not None:
            return replace(spec, inputs={"sequence": spec.inputs["sequence"]})
        return spec

    def load(self) -> Predictor:
        """Load the model; of a conditioned one, what it predicts of the chosen cell type."""
        spec, size = self.spec, self.batch_size
        found = predictors.load_predictor(self.path, size, self.params, spec)
        cell, other = self.choice.cell, self.choice.accessibility
        if other is not None:
            found = PredictedAccessibility(found, predictors.load_predictor(other, size), cell)
        return in_cell(found, cell)


def queried_names(
    targets: Sequence[Target],
    names: Sequence[str],
    query: str | None,
    where: str,
    nameless: str = "add its targets.txt to the data folder",
) -> tuple[str, ...]:
    """Return identifiers of the targets that a query matches; without one the names given.

    Args:
        targets: to choose from.
        names: given instead of a query; empty ones do not count.
        query: see `target_query`, or None.
        where: the targets are, for messages.
        nameless: as of `query_targets`.

    Raises:
        ConfigError: names and a query, or a query that matches nothing.
    """
    names = tuple(filter(None, names))
    if query is None:
        return names
    if names:
        raise ConfigError(
            f"--targets {','.join(names)} and --query {query!r} both choose targets: leave one out"
        )
    return tuple(targets[i].identifier for i in query_targets(targets, query, where, nameless))


def names_to_test(
    head: Head, data: matching.LabelledData, names: Sequence[str], query: str | None
) -> tuple[str, ...] | None:
    """Return names of a head's targets that are tested (`matching.chosen_targets`); None for all.

    Args:
        head: the model's output.
        data: the data folder, whose names a model without any takes.
        names: identifiers, indexes or a table, instead of a query.
        query: see `target_query`, or None.

    Raises:
        ConfigError: as `queried_names`.
    """
    numbered = all(map(is_numbered, head.targets)) and len(head.targets) == len(data.targets)
    if query is None or not numbered:
        where = f"the model's head {head.name!r}"
        nameless = "convert it again with the table (tfepi_convert.py -t)"
        return queried_names(head.targets, names, query, where, nameless) or None
    own = {t.identifier: n.identifier for t, n in zip(data.targets, head.targets, strict=True)}
    return tuple(own[name] for name in queried_names(data.targets, names, query, "the data"))


def _condition(spec: ModelSpec, choice: CellChoice) -> CellInputs | None:
    """Return what gives a conditioned model its further inputs, None where it has none.

    Raises:
        ConfigError: it is not said which cell type is meant, or said to a model that has none.
    """
    further = sorted(set(spec.inputs) - {"sequence"})
    if choice.cell is None:
        if further:
            trained = spec.conditioning.cells if spec.conditioning else ()
            raise ConfigError(
                f"the model takes {' and '.join(further)} of a cell type: name one with --cell "
                f"(it was trained on {', '.join(trained)}), and its accessibility with --tracks"
            )
        for option, value in (("tracks", choice.tracks), ("accessibility", choice.accessibility)):
            if value is not None:
                raise ConfigError(f"--{option} {value} is given without --cell: name a cell type")
        return None
    cell_spec(spec, choice.cell)  # raises of a model that is not conditioned
    if not further:
        for option, value in (("tracks", choice.tracks), ("accessibility", choice.accessibility)):
            if value is not None:
                raise ConfigError(
                    f"--{option} {value}: the model takes the sequence alone, so leave it out"
                )
        if choice.cell not in spec.conditioning.cells:
            _log.warning(
                "the model was not trained on cell type %r and is not told of it: it gives %s",
                choice.cell,
                "the mean of the cell types that it was trained on"
                if spec.conditioning.outputs == "cells"
                else "what it gives of every cell type",
            )
    if choice.accessibility is not None and choice.tracks is not None:
        raise ConfigError("--tracks and --accessibility exclude each other: give one")
    if choice.accessibility is not None:
        other = predictors.read_spec(choice.accessibility)
        accessibility_columns(spec, other, choice.cell)
        if spec.conditioning.states is not None:
            spec.conditioning.states.array((choice.cell,))
    if choice.accessibility is not None or not further:
        return None
    with Genome(choice.fasta) as genome:
        chroms = dict(genome.chroms)
    needed = {c: n for c, n in chroms.items() if c in choice.chroms} if choice.chroms else None
    return CellInputs(spec, choice.tracks, choice.cell, chroms, needed)
