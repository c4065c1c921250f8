"""The model that a command line names, checked against params.json before it is loaded."""

from dataclasses import dataclass
from pathlib import Path

from tfepi import predictors
from tfepi.evaluation import matching
from tfepi.params import Params, read_params
from tfepi.spec import Head, ModelSpec, Predictor
from tfepi.variants.options import check_stated, default_batch_size
from tfrecords_tools.targets import Target, read_targets


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
    """

    path: str | Path
    params: Params
    spec: ModelSpec
    head: Head
    targets: tuple[Target, ...] | None
    batch_size: int
    files: dict[str, Path]

    @classmethod
    def of(
        cls,
        params: str | Path,
        model: str | Path,
        table: str | Path | None = None,
        head: str | None = None,
        batch_size: int | None = None,
    ) -> "NamedModel":
        """Return the model of a command line.

        Args:
            params: path of a params.json, or a preset's name.
            model: run folder, .keras file, SavedModel folder, or an .h5 of Basenji.
            table: targets table.
            head: an output, by name or number; of an .h5 the head it was saved for.
            batch_size: sequences per call; None for a number that suits the model.

        Raises:
            InputFileError: a file that is missing or damaged.
            ConfigError: an unknown head, or sizes that differ from params.json's.
        """
        parsed = read_params(params, training=False)
        targets = read_targets(table) if table else None
        spec = predictors.read_spec(model, parsed, targets, head)
        found = spec.head(None if predictors.is_h5(model) else head)
        check_stated(matching.stated_sizes(parsed.model), spec, found)
        size = default_batch_size(spec, found) if batch_size is None else batch_size
        files = matching.model_files(model, params)
        return cls(model, parsed, spec, found, targets, size, files)

    def load(self) -> Predictor:
        """Load the model."""
        return predictors.load_predictor(self.path, self.batch_size, self.params, self.spec)
