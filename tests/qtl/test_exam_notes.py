"""What is said of exams of which something is lacking."""

import numpy as np
import pandas as pd
import pytest

from tfepi.evaluation.controls import Controls
from tfepi.qtl.exam_matching import Matching
from tfepi.qtl.exam_notes import notes
from tfepi.qtl.exam_variants import Labelled

FEATURE = "TSS distance"
COUNTS = {"positives": 50, "candidates": 400, "with_effect": 50}


def labelled(no_effects=None, **counts):
    return Labelled(pd.DataFrame(), COUNTS | counts, no_effects)


def matching(each=4, asked=4, unmatched=0):
    controls = Controls(np.arange(50), np.arange(50 * each).reshape(50, each), unmatched)
    return Matching(controls, (FEATURE,), {FEATURE: np.zeros(3)}, 0, asked)


def marks(blocks=40, low=None, high=None, interval=(0.4, 0.6), effect_note=None):
    found = {"interval": interval}
    value = dict.fromkeys(("auroc", "sign_accuracy", "spearman"), found)
    return value | {
        "from": low,
        "to": high,
        "blocks": blocks,
        "note": None,
        "effect_note": effect_note,
    }


def apart(left):
    return [{"feature": FEATURE, "matched": True, "difference_after": left}]


def test_nothing_is_said_where_all_is_as_it_should_be():
    assert notes([marks()], labelled(), matching(), apart(0.05)) == []


def test_fewer_negatives_than_were_asked_for():
    found = notes([marks()], labelled(), matching(1), apart(0.0))
    assert found == [
        "1 matched negative of each positive, not 4 (--controls): too few of the 400 candidates "
        "lie like positives"
    ]
    assert notes([marks()], labelled(), matching(1, 1), apart(0.0)) == []


@pytest.mark.parametrize(
    ("each", "advice"),
    [
        (2, "try fewer --controls, more --bins, or more candidates"),
        (1, "try more --bins, or more candidates"),
    ],
)
def test_what_can_still_be_tried(each, advice):
    found = notes([marks()], labelled(), matching(each, each), apart(-0.31))
    assert len(found) == 1
    assert "still differ in TSS distance by -0.31 standard deviations" in found[0]
    assert found[0].endswith(advice)


def test_few_blocks_are_named_by_group():
    rows = [marks(29), marks(40, None, 1000), marks(7, 1000, 10_000), marks(3, 10_000, None, None)]
    found = notes(rows, labelled(), matching(), apart(0.0))
    assert len(found) == 1
    assert "in fewer than 30 blocks of the genome (all: 29, 1–10 kb: 7): intervals of" in found[0]
    assert "read DeLong's" in found[0]
    assert notes([marks(30)], labelled(), matching(), apart(0.0)) == []


def test_why_there_are_no_effects():
    note = "0 positives with an effect: no statistics of fewer than 10"
    rows = [marks(effect_note=note)]
    found = notes(rows, labelled("it has no alleles", with_effect=0), matching(), apart(0.0))
    assert found == ["no sign accuracy and no correlation with effects: it has no alleles"]
    assert notes(rows, labelled(with_effect=0), matching(), apart(0.0)) == [note]
