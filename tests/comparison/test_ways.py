"""Scores and regions of other strands or shifts are said to be."""

from tfepi.comparison.ways import way_lines


def model(name, rc=False, shifts=(0,), kind="coverage"):
    return {"name": name, "kind": kind, "rc": rc, "shifts": list(shifts)}


def test_all_alike():
    assert way_lines({"models": [model("a", True), model("b", True)]}) == []
    of_cpgs = model("b", kind="methylation")  # which no shifts concern
    assert way_lines({"models": [model("a", shifts=(1, 0)), of_cpgs]}) == []


def test_models_that_differ():
    [line] = way_lines({"models": [model("a", True, (1, 0, -1)), model("b")]})
    assert line == (
        "scores differ in strands or shifts: those of a of both strands at shifts of 1, 0, −1 bp, "
        "those of b of one strand; give all models the same --rc and --shifts"
    )
    assert way_lines({"models": [model("a"), model("b", rc=True, kind="methylation")]})
    assert way_lines({"models": [model("a"), model("b", shifts=(1,))]})


def test_scores_beside_regions():
    ways = {"a": {"rc": False, "shifts": [0]}, "b": {"rc": True, "shifts": [0]}}
    result = {"models": [model("a", True), model("b", True)], "regions": {"ways": ways}}
    assert way_lines(result) == [
        "a: scores are of both strands, predictions of regions of one strand; give --rc and "
        "--shifts as the scores were made with"
    ]
