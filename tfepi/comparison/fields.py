"""How far models can see: by arithmetic, and as measured on random sequences."""

from tfepi.spec import Predictor

PHASES = 2  # of the sequence that are changed
_SCANNED = 512  # bases of a sequence that are changed one by one, where the output is one bin
_MEASURED = ("span_max", "span_mean", "above_1e-02", "mass_50%", "mass_90%", "mass_99%")


def seen_field(
    predictor: Predictor, head: str | None = None, repeats: int = 4, batch_size: int = 16
) -> dict:
    """Return what the central output of a model needs, and what a changed base does.

    Args:
        predictor: a model.
        head: its output.
        repeats: random sequences that are measured; 0 for arithmetic alone.
        batch_size: sequences per call.

    Returns:
        "input", length of the sequence, bp; "theory": "least" and "most" bp that one output needs,
        over phases, and "whole", whether every output sees everything, or None of a model that
        shows no layers; "measured": "method" (a scan of bases where there is one bin), "span_max"
        and "span_mean" of non-zero effects over repeats, width "above_1e-02" of the largest,
        distances "mass_50%", … that hold a share of the effect, bp, and "cut_by", "input" or
        "output" where the ends of either cut it, else None; or None.

    Raises:
        ConfigError: predictions of random sequences that are no finite numbers.
    """
    from tfepi.receptive_field.cut import cut_by
    from tfepi.receptive_field.field import Effort, field_of_model
    from tfepi.receptive_field.profile import PERTURBATION

    predictor = getattr(predictor, "asked", predictor)  # of a conditioned model: of all cell types
    length = predictor.spec.seq_length
    names = [h.name for h in predictor.spec.heads]
    effort = Effort(
        methods=(PERTURBATION,) if repeats else (),
        phases=PHASES,
        repeats=max(1, repeats),
        scan_step=max(1, length // _SCANNED),
        batch_size=batch_size,
    )
    field = field_of_model(predictor, head=head if head in names else names[0], effort=effort)
    theory = measured = None
    if field.theory is not None:
        spans = field.theory.needed.spans
        whole = bool(field.theory.global_from) or min(spans) >= length
        theory = {"least": min(spans), "most": max(spans), "whole": whole}
    if field.found:
        one = field.found[0].measured
        summary = one.summary()
        measured = {"method": one.method} | {name: summary[name] for name in _MEASURED}
        measured["cut_by"] = cut_by(field.found[0], field) or None
    return {"input": length, "theory": theory, "measured": measured}
