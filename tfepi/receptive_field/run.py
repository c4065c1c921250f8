"""A run over models and their states: measured one by one, kept one by one, written as tables."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tfepi.receptive_field.asking import Asking
from tfepi.receptive_field.budget import effort_for, not_followed, sequences_of
from tfepi.receptive_field.field_file import arrays_of, read_field, write_arrays
from tfepi.receptive_field.printing import printed
from tfepi.receptive_field.subjects import (
    RANDOMISED,
    STATE_NAMES,
    TRAINED,
    UNTRAINED,
    Subject,
    check_names,
    loaded,
)
from tfepi.receptive_field.tables import (
    StateField,
    all_warnings,
    layers_table,
    to_json,
    widths_table,
)
from tfepi.variants.numbered import NAME, Plan, remove_all_parts
from tfrecords_tools.errors import ConfigError, TfepiError, unknown
from tfrecords_tools.files import remove_parts, write_json, write_text
from tfrecords_tools.output import run_record
from tfrecords_tools.progress import progress

RUN_FORMAT = "tfepi-receptive-field-run"
PROFILES, WIDTHS, LAYERS, RESULT = "profiles", "widths.tsv", "layers.tsv", "rf.json"
_log = logging.getLogger(__name__)


def measure_fields(
    subjects: Sequence[Subject],
    asking: Asking,
    out: str | Path,
    *,
    target: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    draw: Callable[[Path, Sequence[StateField]], object] | None = None,
) -> str:
    """Measure the fields of models in all their states, and write a folder.

    The bytes of the results depend on models and options only, not on being stopped and resumed.

    Args:
        subjects: the models.
        asking: how much is measured.
        out: the folder: rf.json, widths.tsv, layers.tsv, profiles/, figures/, run.json.
        target: identifier or place of the only target that counts; None for all.
        resume: go on after a stop.
        overwrite: remove earlier results.
        quiet: no progress bar.
        draw: draws the figures, into the folder.

    Returns:
        The table to print.

    Raises:
        ConfigError: two models of one name, a wish that a model cannot be measured by.
        InputFileError: a model that cannot be loaded.
        UnfinishedError: the folder has results, or of something else.
    """
    check_names(subjects)
    places = {s.name: _target(s, target) for s in subjects}
    out = Path(out)
    inputs = {f"{s.name} {k}": v for s in subjects for k, v in s.files.items()}
    facts = {"models": [s.facts() for s in subjects], "asked": asdict(asking), "target": target}
    plan = Plan(RUN_FORMAT, inputs, facts, len(subjects), ".npz")
    plan.claim(out, resume, overwrite)
    remove_all_parts(out)  # the parts are the profiles, by name
    profiles = out / PROFILES
    profiles.mkdir(exist_ok=True)
    remove_parts(profiles)
    with run_record(out, inputs, seed=asking.seed) as record:
        try:
            for subject in subjects:
                if not _is_whole(profiles, subject):
                    _measure(subject, asking, places[subject.name], profiles, quiet)
        except TfepiError:
            _leave_nothing(out, profiles)
            raise
        states = read_states(profiles, subjects)
        lines = all_warnings(states)
        for line in lines:
            _log.warning("%s", line)
        write_text(out / LAYERS, layers_table(states))
        write_text(out / WIDTHS, widths_table(states))
        if draw is not None:
            draw(out, states)
        write_json(out / RESULT, to_json(states, lines))
        record["warnings"] = len(lines)
    return printed(states)


def _leave_nothing(out: Path, profiles: Path) -> None:
    """Empty a folder in which nothing was measured, so that a corrected command may write it."""
    if not any(profiles.iterdir()):
        profiles.rmdir()
        (out / NAME).unlink()


def read_states(profiles: Path, subjects: Sequence[Subject]) -> list[StateField]:
    """Return what was measured of models, from their files.

    Raises:
        InputFileError: a damaged file.
    """
    found = []
    for subject in subjects:
        for state in subject.states:
            path = _path(profiles, subject, state)
            if path.exists():
                field, facts = read_field(path)
                kept = (tuple(facts["zeros"]), facts["effort"])
                found.append(StateField(subject.name, subject.note, state, field, *kept))
    return found


def _measure(
    subject: Subject, asking: Asking, target: int | None, profiles: Path, quiet: bool
) -> None:
    """Measure the states of a model whose files are missing, and write them."""
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    from tfepi.graph import graph_of
    from tfepi.receptive_field.field import field_of_model, keras_model_of

    for state, source, zeros in loaded(subject, asking.seed):
        path = _path(profiles, subject, state)
        if path.exists():
            continue
        model = keras_model_of(source)
        head, grid, period = _geometry(subject, model)
        graph = None
        if model is not None:
            graph = graph_of(model)
            graph = graph.leading_to(graph.output(head))
        effort, notes = effort_for(asking, graph, grid, period)
        for note in notes:
            _log.info("%s (%s): %s", subject.name, STATE_NAMES[state], note)
        unheard = not_followed(asking, effort, grid)
        for line in unheard if state == subject.states[0] else ():
            _log.warning("%s: %s", subject.name, line)
        with progress(
            total=sequences_of(effort, grid),
            unit="passes",
            label=f"{subject.name}, {STATE_NAMES[state]}",
            quiet=quiet,
        ) as bar:
            field = field_of_model(
                source, grid=grid, head=head, target=target, effort=effort, advance=bar.update
            )
        if state == subject.states[0] and field.theory is not None and field.theory.is_cut:
            _log.info(
                "%s: the sequence of %d bp is shorter than the field, which its ends cut",
                subject.name,
                grid.length,
            )
        if state == UNTRAINED and not zeros:
            _log.info(
                "%s: no variable begins as zeros, so there are none to draw: with zeros drawn it "
                "would be the same as untrained",
                subject.name,
            )
        said = "; ".join([*notes, *unheard])
        facts = {"zeros": zeros, "effort": said, "layers": graph is not None}
        write_arrays(path, arrays_of(field, facts))


def _geometry(subject: Subject, model):
    """Return the head that is meant, where the output lies, and the period, bp."""
    from tfepi.graph import graph_of
    from tfepi.models import bin_width
    from tfepi.receptive_field.grid import OutputGrid
    from tfepi.receptive_field.theory import theory_of

    if subject.spec is not None:
        grid, head = OutputGrid.of_spec(subject.spec), subject.head
        if model is None:
            return head, grid, grid.width
        return head, grid, theory_of(model, grid, head).period
    heads = list(model.output) if isinstance(model.output, dict) else [None]
    head = subject.head if subject.head is not None and len(heads) > 1 else heads[0]
    if head not in heads:
        raise unknown("head", head, heads, f"of {subject.name}, in --head")
    if len(heads) == 1 and subject.head is not None:
        _log.warning(
            "%s has one output: --head %s is of models with several", subject.name, subject.head
        )
    if len(heads) > 1 and subject.head is None:
        _log.info("%s: the field of head %r is measured", subject.name, head)
    graph = graph_of(model)
    length, bins = graph.length(graph.inputs["sequence"]), graph.length(graph.output(head)) or 1
    width = bin_width(subject.params.model, model)
    grid = OutputGrid.of_lengths(length, bins, width) if width else None
    theory = theory_of(model, grid, head)
    return head, theory.grid, theory.period


def _is_whole(profiles: Path, subject: Subject) -> bool:
    """Tell whether all states of a model are there that it has."""
    last = _path(profiles, subject, UNTRAINED)
    if not last.exists():
        first = _path(profiles, subject, TRAINED)
        return first.exists() and not read_field(first)[1]["layers"]
    return not read_field(last)[1]["zeros"] or _path(profiles, subject, RANDOMISED).exists()


def _path(profiles: Path, subject: Subject, state: str) -> Path:
    return profiles / f"{subject.name}.{state}.npz"


def _target(subject: Subject, target: str | None) -> int | None:
    """Return the place of a target among those of a model.

    Raises:
        ConfigError: the model has no such target.
    """
    if target is None:
        return None
    names: Mapping[str, int] = {}
    if subject.spec is not None:
        targets = subject.spec.head(subject.head).targets
        names = {t.identifier: i for i, t in enumerate(targets)}
    if target in names:
        return names[target]
    if target.isdecimal() and (not names or int(target) < len(names)):
        return int(target)
    if not names:
        raise ConfigError(
            f"--target is {target!r}, and the targets of {subject.name}, which is untrained, have "
            "no names: give a place, from 0"
        )
    raise unknown("target", target, names, f"in --target, of {subject.name}")
