"""Alleles spliced inside a graph against those of tfepi.variants, one variant at a time."""

import numpy as np
import pytest

from tfepi.startup import import_tensorflow
from tfepi.variants.alleles import LEFT, RIGHT, SequenceKey, Window, sequence
from tfepi.variants.alleles import stitched as stitched_plainly
from tfrecords_tools.genome import decode

tf = import_tensorflow()
from tfepi.serving.splicing import spliced, stitched  # noqa: E402

WINDOW = Window(32, 4, 4, 6)
# Lengths of REF and ALT: SNV, MNV, indels, and alleles that fill or pass an end of the sequence.
SIZES = [(1, 1), (3, 3), (1, 4), (4, 1), (2, 5), (7, 3), (1, 31), (31, 1), (32, 32), (17, 20)]
SIZES += [(16, 17), (18, 2), (32, 1), (1, 32), (20, 30), (30, 20), (15, 15), (16, 16), (17, 17)]


def variants(stitch: bool):
    """Windows with exactly the letters that are needed, or a few more; either case."""
    rng = np.random.default_rng(0)
    for size, other in SIZES:
        for more in (0, 3):
            extra = max(0, size - other)
            before = WINDOW.index + more + extra * stitch
            behind = max(WINDOW.length - WINDOW.index + extra, size) + more
            codes = rng.integers(0, 5, before + behind, dtype=np.uint8)
            codes[before : before + size] %= 4
            alt = decode(rng.integers(0, 4, other, dtype=np.uint8))
            yield codes, before, decode(codes[before : before + size]), alt


@pytest.mark.parametrize("stitch", [True, False])
def test_sequences_are_those_of_the_variants_command(stitch):
    given = list(variants(stitch))
    text = [decode(codes) for codes, *_ in given]
    text = [t.lower() if n % 3 == 0 else t for n, t in enumerate(text)]
    found = spliced(
        tf.constant(text),
        tf.constant([offset for _, offset, *_ in given]),
        tf.constant([ref.lower() if n % 2 else ref for n, (*_, ref, _) in enumerate(given)]),
        tf.constant([alt for *_, alt in given]),
        WINDOW,
        stitch,
    )
    whole, left, right = ([t.decode().upper() for t in texts.numpy()] for texts in found[:3])
    assert found[3].numpy().tolist() == [len(ref) for *_, ref, _ in given]
    for n, (codes, offset, ref, alt) in enumerate(given):

        def read(chrom, start, end, codes=codes):
            assert start >= end or (start >= 0 and end <= len(codes))
            return codes[start : max(start, end)]

        assert whole[n] == decode(sequence(read, WINDOW, SequenceKey("c", offset)))
        key = SequenceKey("c", offset, ref, alt, LEFT)
        assert left[n] == decode(sequence(read, WINDOW, key)), (ref, alt)
        if stitch:
            key = SequenceKey("c", offset, ref, alt, RIGHT)
            assert right[n] == decode(sequence(read, WINDOW, key)), (ref, alt)
        if not stitch or len(ref) == len(alt):
            assert left[n] == right[n]


def test_predictions_are_stitched_as_there():
    rng = np.random.default_rng(1)
    sizes = np.array([1, 2, 4, 5, 9, 16, 17, 31, 32], np.int32)
    left, right = rng.random((2, len(sizes), WINDOW.bins, 3)).astype(np.float32)
    found = stitched(tf.constant(left), tf.constant(right), WINDOW, tf.constant(sizes)).numpy()
    for n, size in enumerate(sizes):
        want = stitched_plainly(left[n], right[n], WINDOW, 100, int(size))
        np.testing.assert_array_equal(found[n], want)


TEXT = "ACGTTGCAAC" * 6
GOOD = {"window": TEXT, "offset": 20, "ref": TEXT[20:23], "alt": "A"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ref": "AAA"}, "ref of row 1 .from 0. is AAA, window has ACG at offset 20"),
        (
            {"offset": 16},
            "offset of row 1 .from 0. is 16 and window has 60 letters: want at least 17 ",
        ),
        ({"offset": 42}, "is 42 and window has 60 .* and 19 from it; give more of the genome"),
        ({"offset": -(1 << 31)}, "is -2147483648 and window has 60 letters"),
        ({"offset": (1 << 31) - 1}, "is 2147483647 and window has 60 letters"),
        ({"window": ""}, "is 20 and window has 0 letters"),
        ({"window": TEXT[:9] + "-" + TEXT[10:]}, "byte 0x2d at position 9 .both from 0.: want A,"),
        ({"ref": ""}, "ref of row 1 .from 0. has 0 letters: want 1 to 32"),
        ({"alt": ""}, "alt of row 1 .from 0. has 0 letters"),
        ({"alt": "A" * 33}, "alt of row 1 .from 0. has 33 letters: want 1 to 32"),
        ({"alt": "ANA"}, "alt of row 1 has N at position 1 .both from 0.: want A, C, G or T"),
        ({"alt": "<DEL>"}, "alt of row 1 has byte 0x3c at position 0"),
        ({"alt": "A\0"}, "alt of row 1 has byte 0x00 at position 1"),
        ({"ref": TEXT[20:22] + "U"}, "ref of row 1 has U at position 2"),
    ],
)
def test_rows_that_cannot_be_scored_are_named(changes, message):
    columns = {k: tf.constant([v, (GOOD | changes)[k]]) for k, v in GOOD.items()}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        spliced(*columns.values(), WINDOW, True)


def test_a_letter_that_no_sequence_needs_may_be_anything():
    columns = {k: tf.constant([v]) for k, v in GOOD.items()}
    columns["window"] = tf.constant(["-" + TEXT[1:]])
    assert spliced(*columns.values(), WINDOW, True)[0].numpy()[0].decode() == TEXT[5:37]
