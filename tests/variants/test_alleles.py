import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfepi.variants.alleles import (
    LEFT,
    RIGHT,
    AllelePair,
    SequenceKey,
    Stretches,
    Window,
    read_around,
    sequence,
    sequence_keys,
    stitched,
)
from tfepi.variants.checks import check
from tfepi.variants.vcf import chunks, read_variants
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import Genome, encode, one_hot

PAD = 4


class ArrayGenome:
    """A genome of one chromosome in memory; counts the reads."""

    def __init__(self, bases):
        self.bases = np.asarray(bases, np.uint8)
        self.reads = []

    def indices(self, chrom, start, end):
        self.reads.append((chrom, start, end))
        return np.array([self.base(i) for i in range(start, end)], np.uint8)

    def base(self, i):
        return self.bases[i] if 0 <= i < len(self.bases) else PAD


def pair_of(position, host, allele, chrom="c"):
    return AllelePair(chrom, position, ".", host, allele, host, 0, 0)


def plain_sequence(genome, window, position, host, allele, register):
    """The rule base by base: which genome or allele base each index of the window shows."""
    allele = encode(allele).tolist()
    shift = len(allele) - host
    out = []
    for i in range(window.length):
        at = position - (window.length // 2 - 1) + i
        if register == LEFT:
            if at < position:
                out.append(genome.base(at))
            elif at - position < len(allele):
                out.append(allele[at - position])
            else:
                out.append(genome.base(at - shift))
        else:
            from_end = position + host - at
            if from_end <= 0:
                out.append(genome.base(at))
            elif from_end <= len(allele):
                out.append(allele[len(allele) - from_end])
            else:
                out.append(genome.base(at + shift))
    return out


alleles = st.text("ACGTN", min_size=1, max_size=40)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 99),
    length=st.integers(4, 33),
    position=st.integers(0, 59),
    host=st.integers(1, 40),
    allele=alleles,
    register=st.sampled_from([LEFT, RIGHT]),
)
def test_sequence_follows_the_rule(seed, length, position, host, allele, register):
    genome = ArrayGenome(np.random.default_rng(seed).integers(0, 4, 100))
    window = Window(length, 1, 0, length)
    held = "".join("ACGT"[genome.bases[position + i]] for i in range(host))
    read = read_around(genome, window, [pair_of(position, held, allele)])
    found = sequence(read, window, SequenceKey("c", position, held, allele, register))
    assert found.dtype == np.uint8
    assert found.tolist() == plain_sequence(genome, window, position, host, allele, register)
    assert len(genome.reads) <= 1


def test_host_window_is_basenjis():
    genome = ArrayGenome(np.arange(200) % 4)
    window = Window(64, 8, 0, 8)
    read = read_around(genome, window, [pair_of(99, "T", "A")])
    found = sequence(read, window, SequenceKey("c", 99))
    pos = 100  # as in the VCF
    assert found.tolist() == genome.bases[pos - 32 : pos + 32].tolist()
    assert window.index == 31
    assert found[31] == genome.bases[99]


@pytest.mark.parametrize(("host", "allele"), [("A", "ACCC"), ("ACGTA", "A"), ("ACG", "TT")])
def test_flanks_predict_the_same_in_their_register(host, allele):
    """With a model of one base per bin, flanks keep their prediction and only the host's differ."""
    rng = np.random.default_rng(0)
    genome = ArrayGenome(rng.integers(0, 4, 300))
    genome.bases[150 : 150 + len(host)] = encode(host)
    window = Window(64, 1, 6, 52)
    read = read_around(genome, window, [pair_of(150, host, allele)])

    def predict(key):
        return one_hot(sequence(read, window, key))[6:58]

    ref = predict(SequenceKey("c", 150))
    left, right = (predict(SequenceKey("c", 150, host, allele, r)) for r in (LEFT, RIGHT))
    alt = stitched(left, right, window, 500, len(host))
    first, last = 31 - 6, 31 - 6 + len(host)
    assert np.array_equal(alt[:first], ref[:first])
    assert np.array_equal(alt[last:], ref[last:])
    assert np.array_equal(alt[first:last], (left[first:last] + right[first:last]) / 2)
    assert not np.array_equal(left[last:], ref[last:])
    assert not np.array_equal(right[:first], ref[:first])


@settings(max_examples=200, deadline=None)
@given(width=st.integers(1, 9), crop=st.integers(0, 20), host=st.integers(1, 80))
def test_stitched_bin_by_bin(width, crop, host):
    length = 64
    bins = (length - 2 * crop) // width
    window = Window(length, width, crop, bins)
    left, right = np.random.default_rng(0).normal(size=(2, bins, 2)).astype(np.float32)
    found = stitched(left, right, window, 500, host)
    for b in range(bins):
        start, end = crop + b * width, crop + (b + 1) * width
        if end <= window.index:
            wanted = left[b]
        elif start >= window.index + host:
            wanted = right[b]
        else:
            wanted = (left[b] + right[b]) / 2
        assert np.array_equal(found[b], wanted)


def test_one_bin_is_the_mean_of_both_registers():
    left, right = np.float32([[[1.0]], [[4.0]]])
    assert stitched(left, right, Window(64, 64, 0, 1), 500, 5) == 2.5


def test_center_holds_the_variant():
    assert Window(1344, 192, 0, 7).center == 3
    assert Window(64, 8, 8, 6).center == 2


def test_bins_that_leave_out_the_variant_are_refused():
    from tfepi.spec import Head, ModelSpec

    spec = ModelSpec("m", {"sequence": (64, 4)}, 8, 32, (Head("h", ()),))
    with pytest.raises(ConfigError, match="do not cover index 31"):
        Window.of(spec)


def test_a_model_of_one_cpg_is_named_its_command(toy):
    spec = toy.toy_spec(extra={"kind": "methylation"})
    with pytest.raises(ConfigError, match=r"with tfepi_methylation.py variants"):
        Window.of(spec)


def test_keys():
    snv = pair_of(5, "A", "C")
    assert len(sequence_keys(snv, "A", True)) == 1
    assert sequence_keys(snv, "A", True) == sequence_keys(pair_of(5, "A", "G"), "A", True)
    assert sequence_keys(snv, "C", True) == (SequenceKey("c", 5, "A", "C", LEFT),)
    indel = pair_of(5, "A", "AC")
    assert [k.register for k in sequence_keys(indel, "AC", True)] == [LEFT, RIGHT]
    assert [k.register for k in sequence_keys(indel, "AC", False)] == [LEFT]


@settings(max_examples=100, deadline=None)
@given(starts=st.lists(st.integers(-50, 90_000), min_size=1, max_size=12), seed=st.integers(0, 9))
def test_stretches_equal_single_reads(starts, seed):
    genome = ArrayGenome(np.random.default_rng(seed).integers(0, 4, 500))
    spans = [("c", s, s + 40) for s in sorted(starts)]
    read = Stretches(genome, spans)
    for chrom, start, end in spans:
        assert read(chrom, start, end).tolist() == [genome.base(i) for i in range(start, end)]
    far = sum(b[1] - a[2] > 16_384 for a, b in itertools.pairwise(spans))
    assert len(genome.reads) == 1 + far


def test_stretches_outside_their_spans_read_anyway():
    genome = ArrayGenome(np.arange(100) % 4)
    assert Stretches(genome, [])("c", 3, 6).tolist() == [3, 0, 1]


def test_yeast_reference_base_is_at_the_index_everywhere(test_data):
    window = Window(1344, 192, 0, 7)
    vcf = test_data / "data/yeast/by_rm_snvs.vcf"
    count = 0
    with Genome(test_data / "data/yeast/sacCer3.fa.gz") as genome:
        for chunk in chunks(read_variants(vcf), 4096):
            pairs, skipped = check(genome, chunk, "error")
            assert not skipped
            read = read_around(genome, window, pairs)
            for pair in pairs:
                ref = sequence(read, window, sequence_keys(pair, pair.ref, True)[0])
                alt = sequence(read, window, sequence_keys(pair, pair.alt, True)[0])
                assert ref[671] == encode(pair.ref)[0]
                assert alt[671] == encode(pair.alt)[0]
                assert (ref != alt).sum() == 1
                count += 1
                if count % 100 == 0:
                    pos = pair.position + 1
                    plain = genome.indices(pair.chrom, pos - 672, pos + 672)
                    assert np.array_equal(ref, plain)
    assert count == 10984
