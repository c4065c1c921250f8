"""The models of a command line, each in its states: trained, untrained, zeros drawn."""

import inspect
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tfepi import predictors
from tfepi.evaluation import matching
from tfepi.model_params import BASENJI, ModelParams
from tfepi.params import Params, find_params, read_params
from tfepi.spec import ModelSpec
from tfepi.variants.options import check_stated
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import identity

TRAINED, UNTRAINED, RANDOMISED = STATES = ("trained", "untrained", "randomised")
STATE_NAMES = {TRAINED: "trained", UNTRAINED: "untrained", RANDOMISED: "zeros drawn"}
"""What states are called in print and figures; files and tables have the words of `STATES`."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SUFFIXES = (".json", ".keras", ".h5")
_VAGUE = ("run", "runs", "model", "model_best", "models", "params", "train", "out", "output")
_ABOVE = 2  # folders whose name is looked at
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """A model whose field is measured.

    Attributes:
        name: in tables and figures.
        params: of the model.
        files: label → identity of what decides it.
        model: path of the trained one, or None.
        spec: its contract, or None.
        head: output that is meant, of several; None is the first.
        note: what there is to know of it, for tables, or "".
    """

    name: str
    params: Params
    files: Mapping[str, dict] = field(default_factory=dict)
    model: str | None = None
    spec: ModelSpec | None = None
    head: str | None = None
    note: str = ""

    @property
    def states(self) -> tuple[str, ...]:
        """The states that are measured."""
        return STATES if self.model is not None else STATES[1:]

    def facts(self) -> dict:
        """Return what decides the model besides files, JSON values."""
        return {"name": self.name, "model": self.params.source["model"], "head": self.head}


def read_subjects(texts: Sequence[str], head: str | None = None) -> list[Subject]:
    """Return the models that texts name.

    Args:
        texts: "[NAME=]PARAMS[,MODEL]" each: a params.json or preset, and a trained model.
        head: of the models that have several, which alone it concerns; None is the first.

    Raises:
        ConfigError: a name twice or that no file can have, a model without params, an unknown
            preset or head, params of another model.
        InputFileError: a file that is missing or damaged.
    """
    return [read_subject(text, head) for text in texts]


def read_subject(text: str, head: str | None = None) -> Subject:
    """Return the model of one text, as of `read_subjects`."""
    name, equals, rest = text.partition("=")
    if not equals or "/" in name or "," in name:
        name, rest = "", text
    given, comma, model = rest.partition(",")
    if not given or (comma and not model):
        raise ConfigError(
            f"a model is given as {text!r}: want [NAME=]PARAMS[,MODEL], as small=basset_small,run"
        )
    path = Path(given)
    if path.is_dir() or path.suffix in (".keras", ".h5"):
        inside = path / "params.json"
        known = f", for instance {inside},{given}" if inside.exists() else f" before it: P,{given}"
        raise ConfigError(f"{given} is a model, and its params.json is wanted too{known}")
    params = read_params(given, training=False)
    files = {"params": identity(find_params(given))}
    name = name or _own_name(given, model)
    _check_name(name, text)
    if not model:
        return Subject(name, params, files, None, None, head)
    spec = predictors.read_spec(model, params, None, head if predictors.is_h5(model) else None)
    several = len(spec.heads) > 1
    if several and head is None:
        heads = ", ".join(h.name for h in spec.heads)
        _log.info("%s: the first head is measured, of %s", name, heads)
    if not several and head not in (None, spec.heads[0].name):
        _log.warning("%s has one head, %s: --head %s is not of it", name, spec.heads[0].name, head)
    chosen = spec.head(head) if several and head is not None else spec.heads[0]
    check_stated(matching.stated_sizes(params.model), spec, chosen)
    files |= {k: identity(p) for k, p in matching.model_files(model, given).items()}
    return Subject(name, params, files, model, spec, chosen.name)


def check_names(subjects: Sequence[Subject]) -> None:
    """Check that no two models have one name.

    Raises:
        ConfigError: two have, or there are none.
    """
    if not subjects:
        raise ConfigError("no model is named: give a params.json or preset, or --published")
    seen: set[str] = set()
    for subject in subjects:
        if subject.name in seen:
            raise ConfigError(
                f"two models are named {subject.name!r}: name them apart, as NAME=PARAMS,MODEL"
            )
        seen.add(subject.name)


def _own_name(given: str, model: str) -> str:
    """Return what a model without a name is called: by its own files, or by the folder of those.

    Names that any model's files may have, as "run" or "params", are passed over for those of the
    params or of the folders above, as long as one of them says more.
    """
    paths = [Path(p) for p in (model, given) if p]
    names = [p.stem if p.suffix in _SUFFIXES else p.name for p in paths]
    folders = [p.name for p in paths[0].absolute().parents] if paths[0].exists() else []
    said = (n for n in (*names, *folders[:_ABOVE]) if n.lower() not in _VAGUE)
    return next(filter(_NAME.fullmatch, said), names[0])


def _check_name(name: str, text: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a model is named {name!r}, by {text!r}: want letters, digits, '.', '_' and '-', as "
            "NAME=PARAMS,MODEL"
        )


def build(params: ModelParams, seed: int):
    """Return an untrained Keras model of a model section.

    What the data would say (targets, lengths) is as the model's function has it by default; sizes
    without a default are 1, as a field does not depend on them.

    Args:
        params: the section.
        seed: of the weights.

    Raises:
        ConfigError: as `make_model`.
    """
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    import keras

    from tfepi.models import MODELS, make_model
    from tfrecords_tools.errors import unknown

    keras.utils.set_random_seed(seed)
    if params.name == BASENJI:
        return make_model(params, None)
    if params.name not in MODELS:
        raise unknown("model", params.name, MODELS)
    known = inspect.signature(MODELS[params.name]).parameters
    count = next(k for k in ("outputs", "output_heads", "targets") if k in known)
    needed = [k for k, p in known.items() if p.default is p.empty and k not in params.keywords]
    params = replace(params, keywords=dict.fromkeys(needed, 1) | params.keywords)
    targets = params.keywords.get(count, known[count].default)
    heads = params.heads if isinstance(params.heads, tuple) else ()
    if heads and not (isinstance(targets, Mapping) and set(targets) == set(heads)):
        each = targets if isinstance(targets, int) else 1
        targets = dict.fromkeys(heads, each)
    if isinstance(targets, Mapping) and len(targets) == 1:
        targets = next(iter(targets.values()))
    return make_model(params, targets)


def loaded(subject: Subject, seed: int) -> Iterator[tuple[str, object, list[str]]]:
    """Yield each state's name, what it is measured by, and its variables that are all zero.

    Of the last state, the zeros drawn, these are the variables that were drawn. One is in memory
    at a time. A SavedModel has its trained state alone.

    Args:
        subject: the model.
        seed: of weights.

    Raises:
        InputFileError, ConfigError: a model that cannot be loaded or built.
    """
    from tfepi.receptive_field import initialisation
    from tfepi.receptive_field.field import keras_model_of

    if subject.model is None:
        keras_model = build(subject.params.model, seed)
    else:
        predictor = predictors.load_predictor(subject.model, 64, subject.params, subject.spec)
        keras_model = keras_model_of(predictor)

    if subject.model is not None:
        zeros = initialisation.zero_variables(keras_model) if keras_model is not None else []
        yield TRAINED, predictor, [v.path for v in zeros]
        del predictor
        if keras_model is None:
            return
        keras_model = initialisation.untrained(keras_model, seed)
    zeros = initialisation.zero_variables(keras_model)
    yield UNTRAINED, keras_model, [v.path for v in zeros]
    if zeros:
        yield RANDOMISED, keras_model, initialisation.draw_zeros(keras_model, seed)
