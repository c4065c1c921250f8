"""An epoch's line of metrics.jsonl: its metrics, its score, what the log says of it."""

import math
from collections.abc import Sequence

from tfepi.train_params import TrainParams
from tfepi.training.head import HeadTraining


def metrics(heads: Sequence[HeadTraining], trained: list[dict], valid: list[dict]) -> dict:
    """Return loss and metrics of an epoch, of all heads and of each.

    Args:
        heads: which have just been validated.
        trained: loss and metrics of each head over the training records.
        valid: the same over the validation records; their names get `valid_`.
    """
    return {
        **_joined(heads, trained, ""),
        **_joined(heads, valid, "valid_"),
        **{
            f"valid_{head.source.head + '_' if len(heads) > 1 else ''}{name}_per_target": values
            for head in heads
            for name, values in head.per_target().items()
        },
    }


def _joined(heads: Sequence[HeadTraining], logs: list[dict], prefix: str) -> dict:
    """Return the means over the heads that have a value; of several heads, each one's too."""
    found = {}
    for name in dict.fromkeys(k for log in logs for k in log):
        values = [log[name] for log in logs if name in log]
        found[f"{prefix}{name}"] = math.fsum(values) / len(values)
    if len(logs) > 1:
        for head, log in zip(heads, logs, strict=True):
            found |= {f"{prefix}{head.source.head}_{k}": v for k, v in log.items()}
    return found


def score(line: dict, train: TrainParams) -> float:
    """Return by what the best epoch is chosen; more is better (`best_by` of params.json)."""
    if train.best_by == "last":
        return float(line["epoch"])
    if train.best_by == "global_pearsonr":
        return line["valid_global_pearsonr"]
    if train.best_by == "loss" or train.loss == "bce":
        return -line["valid_loss"]
    return line["valid_pearsonr"] + (line["valid_r2"] / 4 if train.best_by == "score" else 0)


def told(line: dict, heads: Sequence[HeadTraining], best: bool, left: float) -> str:
    """Return what the log says of an epoch.

    Args:
        line: of metrics.jsonl.
        heads: of the model.
        best: whether it is the best one so far.
        left: seconds until the last epoch ends, at most.
    """
    names = ["loss", *(m.name for m in heads[0].metrics)]
    of_train, of_valid = (
        "  ".join(f"{n} {line[prefix + n]:.4f}" for n in names) for prefix in ("", "valid_")
    )
    return (
        f"epoch {line['epoch']}  {of_train} | valid {of_valid}{'  best' if best else ''}  "
        f"({line['seconds']:.0f} s, {line['examples_per_second']:.4g} examples/s; "
        f"at most {_duration(left)} left)"
    )


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}h{rest // 60:02d}m" if hours else f"{rest // 60}m{rest % 60:02d}s"
