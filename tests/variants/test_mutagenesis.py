import json
import logging
import runpy
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfepi.variants import mutagenesis as mutagenesis_module
from tfepi.variants.alleles import Window
from tfepi.variants.alternatives import Alternatives
from tfepi.variants.mutagenesis import mutate
from tfepi.variants.mutagenesis_options import Mutagenesis
from tfepi.variants.mutagenesis_scores import NAMES, Comparison
from tfepi.variants.mutagenesis_sites import Site, Span, bed_sites, conditions, is_vcf, vcf_sites
from tfepi.variants.scores import NO_EFFECT, score
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError, UnfinishedError
from tfrecords_tools.genome import Genome, encode, one_hot
from tfrecords_tools.targets import Target

STATS = ("sum", "center", "scd", "SAD", "logSUM", "SAX", "D1", "JSD", "REF_RATIO")
OPTIONS = Mutagenesis(stats=STATS, length=9, batch_size=7)
BED = (
    "chrA\t2000\t2011\tfirst\t0\t+\n"
    "chrA\t2500\t2501\tsecond\t0\t-\n"
    "chrB\t2\t6\tedge\n"  # the window begins before the chromosome
    "chrA\t304\t307\tgap\t0\t-\n"  # N at every position
    "chrB\t690\t691\tlast\t0\t.\n"
)
COMPLEMENT = str.maketrans("ACGT", "TGCA")


@pytest.fixture
def bed(tmp_path):
    path = tmp_path / "in.bed"
    path.write_text(BED)
    return path


@pytest.fixture
def run(tmp_path, bed, fasta, predictor):
    def scored(name="out", options=OPTIONS, model=predictor, regions=bed, **more):
        more = {"quiet": True, "part_positions": 6} | more
        return mutate(lambda: model, model.spec, regions, fasta, tmp_path / name, options, **more)

    return scored


@pytest.fixture
def genome(fasta):
    with Genome(fasta) as opened:
        yield opened


def read(folder):
    with h5py.File(folder / "scores.h5") as file:
        return {name: file[name][()] for name in file} | dict(file.attrs)


def contents(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "run.json")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def window_text(letters, chrom, middle, length, strand):
    padded = "N" * 100 + letters[chrom].upper() + "N" * 100
    text = padded[100 + middle - length // 2 :][:length]
    return text if strand != "-" else text[::-1].translate(COMPLEMENT)


def plain_scores(toy, text, at, name, predict=None):
    """Scores of the positions in `at`, each changed sequence predicted alone."""

    def ask(sequence):
        return toy.toy_values(one_hot(encode(sequence))[None])[0].astype(np.float64)

    ask = predict or ask
    own = ask(text)
    out = np.zeros((len(at), 4, own.shape[1]))
    for row, index in enumerate(at):
        for column, letter in enumerate("ACGT"):
            new = ask(text[:index] + letter + text[index + 1 :])
            if name in ("sum", "center"):
                bins = slice(None) if name == "sum" else slice(3, 5)  # of six
                out[row, column] = new[bins].sum(axis=0)
            elif letter == text[index]:
                out[row, column] = NO_EFFECT.get(name, 0)
            else:
                named = "D2" if name == "scd" else name
                out[row, column] = score((named,), own[None], new[None], 3)[named][0]
    if name in ("sum", "center"):
        out -= out.mean(axis=1, keepdims=True)
    return out


@pytest.mark.parametrize("name", STATS)
def test_scores_equal_one_change_at_a_time(run, toy, letters, name):
    found = read(run())
    middles = (("chrA", 2005, "+"), ("chrA", 2500, "-"), ("chrB", 4, "+"), ("chrA", 305, "-"))
    at = range(32 - 4, 32 + 5)
    for row, (chrom, middle, strand) in enumerate(middles):
        text = window_text(letters, chrom, middle, 64, strand)
        wanted = plain_scores(toy, text, at, name)
        np.testing.assert_allclose(found[name][row], wanted, rtol=1e-4, atol=2e-6)
        own = one_hot(encode(text[28:37])).astype(bool)
        assert np.array_equal(found["seqs"][row], own)
        start = middle - 4 if strand == "+" else middle - 5
        assert (found["start"][row], found["end"][row]) == (start, start + 9)
    assert not found["seqs"][3].any()
    assert found[name][3].any()  # a letter instead of N is a change as well


def test_layout(run):
    found = read(run())
    assert found["chr"].tolist() == [b"chrA", b"chrA", b"chrB", b"chrA", b"chrB"]
    assert found["strand"].tolist() == [b"+", b"-", b"+", b"-", b"+"]
    assert found["label"].tolist() == [b"first", b"second", b"edge", b"gap", b"last"]
    assert found["seqs"].dtype == bool
    for name in STATS:
        assert (found[name].shape, found[name].dtype) == ((5, 9, 4, 3), np.float32)
    assert found["target_ids"].tolist() == [b"T0", b"T1", b"T2"]
    assert (found["format"], found["format_version"]) == ("tfepi-mutagenesis-scores", 1)
    assert json.loads(found["options"])["stats"] == list(STATS)


@pytest.mark.parametrize("changes", [{"batch_size": 64}, {"batch_size": 1}])
def test_batches_and_parts_change_nothing(run, changes):
    first = read(run("first"))
    other = read(run("other", replace(OPTIONS, **changes), part_positions=1000))
    for name in STATS:
        np.testing.assert_allclose(first[name], other[name], rtol=1e-5, atol=1e-6)


def test_one_prediction_for_each_change(run, predictor):
    run(part_positions=9)
    known = 4 * 9  # positions with a letter: three changes; the gap: four
    run_of_n = 9
    assert predictor.sequences == 5 + 3 * known + 4 * run_of_n


def test_strands_shifts_and_targets(run, toy, letters):
    options = Mutagenesis(stats=("SAD",), up=2, down=1, rc=True, shifts=(0, 3), batch_size=5)
    chosen = (Target(1, "T1", sum_stat="sum_sqrt"), Target(0, "T0", scale=2.0))
    found = read(run(options=replace(options, untransform="current"), targets=chosen))

    def ask(text):
        total = 0
        for shift in (0, 3):
            moved = "N" * shift + text[: 64 - shift]
            codes = one_hot(encode(moved))[None]
            total = total + toy.toy_values(codes)[0]
            total = total + toy.toy_values(codes[:, ::-1, ::-1])[0, ::-1]
        mean = total.astype(np.float64)[:, [1, 0]] / 4
        return np.stack([(1 + mean[:, 0]) ** 2 - 1, mean[:, 1] / 2], axis=1)

    text = window_text(letters, "chrA", 2500, 64, "-")
    wanted = plain_scores(toy, text, range(30, 33), "SAD", ask)
    np.testing.assert_allclose(found["SAD"][1], wanted, rtol=1e-3, atol=1e-3)
    assert (found["start"][1], found["end"][1]) == (2499, 2502)


def test_a_vcf_gives_ref_and_every_alt(run, make_vcf, letters, toy):
    ref = letters["chrA"][999]
    alts = [toy.other_base(ref), ref + "ACGTAC"]
    records = [("chrA", 1000, "rs1", ref, ",".join(alts)), ("chrB", 340, ".", *_snv(letters, toy))]
    found = read(run(regions=make_vcf(records), options=replace(OPTIONS, length=4)))
    shown = [ref, alts[0], alts[1][:5] + "*"]
    labels = [f"rs1_{a}" for a in shown] + [f"._{a}" for a in records[1][3:]]
    assert [v.decode() for v in found["label"]] == labels
    padded = "N" * 100 + letters["chrA"] + "N" * 100
    for row, allele in enumerate((ref, *alts)):
        edited = padded[: 100 + 999] + allele + padded[100 + 1000 :]
        text = edited[100 + 999 - 31 :][:64]
        wanted = plain_scores(toy, text, range(30, 34), "sum")
        np.testing.assert_allclose(found["sum"][row], wanted, rtol=1e-4, atol=2e-6)
        assert np.array_equal(found["seqs"][row], one_hot(encode(text[30:34])).astype(bool))
    assert found["start"].tolist() == [998] * 3 + [338] * 2


def _snv(letters, toy):
    ref = letters["chrB"][339]
    return ref, toy.other_base(ref)


def test_records_that_cannot_be_used(run, make_vcf, letters, toy):
    wrong = toy.other_base(letters["chrA"][999])
    vcf = make_vcf([("chrA", 1000, "bad", wrong, "N"), ("chrB", 340, "ok", *_snv(letters, toy))])
    with pytest.raises(InputFileError, match=r"record 1 \(chrA:1000 bad\): REF is"):
        run(regions=vcf)
    folder = run(regions=vcf, options=replace(OPTIONS, ref_policy="skip"))
    lines = (folder / "skipped.tsv").read_text().splitlines()
    assert [line.split("\t")[3] for line in lines] == ["id", "bad"]
    assert len(read(folder)["label"]) == 2


def test_swapped_alleles_are_as_named(fasta, genome, make_vcf, letters, toy):
    held = letters["chrA"][999]
    other = toy.other_base(held)
    vcf = make_vcf([("chrA", 1000, "x", other, held)])
    sites, _ = vcf_sites(vcf, genome, Window.of(toy.toy_spec()), "swap")
    texts = [s.sequence(genome, Window.of(toy.toy_spec()))[31] for s in sites]
    assert ["ACGT"[t] for t in texts] == [other, held]
    assert [s.label for s in sites] == [f"x_{other}", f"x_{held}"]


def test_kinds_of_files_are_told_apart(make_vcf, bed, rows, tmp_path):
    for name in ("in.vcf", "in.vcf.gz", "in.bcf"):
        assert is_vcf(make_vcf(rows[:3], name))
    assert not is_vcf(bed)
    with pytest.raises(InputFileError, match="does not exist"):
        is_vcf(tmp_path / "none")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "has no intervals: want lines of chromosome, start, end, or a VCF"),
        ("chrA\t5\t9\tx\t0\tplus\n", r"interval 1 \(chrA:5-9\) has strand 'plus': want \+, - or"),
        ("chrB\t5\t701\n", "ends past the end of chrB"),
        ("chrC\t5\t7\n", "has no chromosome 'chrC'"),
    ],
)
def test_bad_regions(genome, tmp_path, line, message):
    path = tmp_path / "bad.bed"
    path.write_text("# note\n" + line)
    with pytest.raises(InputFileError, match=message):
        bed_sites(path, genome, 64)


def test_spans():
    assert Span.of(100, 7) == Span(3, 4, 100)
    assert Span.of(100, None, up=2) == Span(2, 0, 100)
    assert Span.of(999, None) == Span(100, 100, 999)
    for length in (-5, 0, 101):
        with pytest.raises(ConfigError, match=f"-l is {length} bp: want 1 to 100, the model's"):
            Span.of(100, length)
    assert (Span(3, 4, 101).start, Span(3, 4, 101).length) == (47, 7)
    assert Span(50, 50, 100).start == 0
    for up, down in ((0, 0), (-1, 5), (5, -1)):
        with pytest.raises(ConfigError, match="are to be mutated"):
            Span(up, down, 100)
    for up, down in ((51, 0), (0, 51)):
        with pytest.raises(ConfigError, match="do not fit into the model's sequence of 100 bp"):
            Span(up, down, 100)


def test_conditions_follow_the_strand():
    def condition(places):
        assert places == [("c1", 5, 13), ("c1", 9, 17)]
        return {"tracks": np.arange(8.0).reshape(2, 2, 2), "cell_state": np.ones((2, 3))}

    found = conditions(condition, [Site("c1", 5, "-"), Site("c1", 9)], 8)
    assert found["tracks"].tolist() == [[[2, 3], [0, 1]], [[4, 5], [6, 7]]]
    assert found["cell_state"].shape == (2, 3)
    assert conditions(None, [Site("c1", 5)], 8) == {}


def test_the_middle_bins_are_basenjis():
    rng = np.random.default_rng(0)
    for bins, middle in ((1, [0]), (5, [2]), (6, [3, 4])):
        own, new = rng.random((bins, 2)), rng.random((3, bins, 2))
        changed = Alternatives(np.zeros(3, int), np.zeros(3, int), new)
        found = Comparison(own[None]).compare(("center",), changed)["center"]
        wanted = new[:, middle].sum(axis=1) - own[middle].sum(axis=0)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_stopped_run_goes_on_to_the_same_bytes(run, toy, predictor):
    whole = contents(run("whole"))
    left = [50]

    def stops(sequences):
        left[0] -= len(sequences)
        if left[0] < 0:
            raise KeyboardInterrupt
        return toy.toy_values(sequences)

    with pytest.raises(KeyboardInterrupt):
        run("stopped", model=toy.CountingPredictor(stops))
    again = toy.CountingPredictor()
    folder = run("stopped", model=again, resume=True)
    assert contents(folder) == whole
    assert 0 < again.sequences < predictor.sequences
    run("stopped", model=toy.CountingPredictor(stops), resume=True)
    assert contents(folder) == whole


def test_resuming_with_something_else_is_refused(run, bed):
    run()
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        run()
    with pytest.raises(UnfinishedError, match=r"cannot go on in .*: options changed since"):
        run(options=replace(OPTIONS, rc=True), resume=True)
    bed.write_text(BED.replace("2000", "2001"))
    with pytest.raises(UnfinishedError, match="input regions changed since"):
        run(resume=True)
    run(overwrite=True)


def test_other_results_are_left_alone(run, tmp_path):
    folder = run()
    (folder / "manifest.json").unlink()
    with pytest.raises(UnfinishedError, match=r"has scores.h5 but no manifest.json"):
        run(resume=True)
    (folder / "manifest.json").write_text('{"format": "tfepi-variants", "format_version": 1}')
    with pytest.raises(UnfinishedError, match="has format 'tfepi-variants' version 1, want"):
        run(resume=True)


def test_a_damaged_part_is_named(run, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mutagenesis_module, "write_scores", stop)
        with pytest.raises(KeyboardInterrupt):
            run()
    part = tmp_path / "out" / "parts" / "0000002.h5"
    part.write_bytes(part.read_bytes()[:600])
    with pytest.raises(InputFileError, match=r"part .*0000002.h5 is missing or damaged"):
        run(resume=True)
    part.unlink()
    run(resume=True)


def test_undefined_predictions(run, toy, caplog):
    def some(sequences):
        values = toy.toy_values(sequences)
        values[sequences[:, 32, 0] == 1] = np.nan  # A in the middle
        return values

    folder = run(model=toy.CountingPredictor(some), options=replace(OPTIONS, stats=("SAD",)))
    found = read(folder)
    missing = np.isnan(found["SAD"]).any(axis=-1)
    for row, own in enumerate(found["seqs"]):
        if own[4, 0]:  # the sequence itself has none: no change can be compared
            assert missing[row].sum() == (~own).sum()
        else:
            assert np.argwhere(missing[row]).tolist() == [[4, 0]]
    count = json.loads((folder / "run.json").read_text())["undefined_changes"]
    assert count == missing.sum() > 0
    assert f"predictions that are no finite numbers, of {count} changes" in caplog.text
    broken = toy.CountingPredictor(lambda s: np.full_like(toy.toy_values(s), np.inf))
    with pytest.raises(InputFileError, match="no finite number for positions 1 to 6: its weights"):
        run("broken", model=broken)
    assert not list((folder.parent / "broken" / "parts").iterdir())


def test_another_number_of_bins_is_refused(run, toy):
    model = toy.CountingPredictor(lambda s: toy.toy_values(s)[:, 1:])
    with pytest.raises(ConfigError, match="the model gives 5 bins, its contract says 6"):
        run(model=model)


def test_bad_options(run, tmp_path):
    for values, message in (
        ({"stats": ()}, "no statistic is named"),
        ({"stats": ("REF",)}, "unknown statistic 'REF'"),
        ({"stats": ("sum", "sum")}, "name one more than once"),
        ({"shifts": ()}, "shifts are"),
        ({"untransform": "curent"}, "did you mean 'current'"),
        ({"ref_policy": "keep"}, "unknown ref_policy"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"length": 4, "up": 2}, r"4 bp in the middle \(-l\) .* and 2 bp before and 0 bp after it"),
        ({"length": 4, "down": 1}, "give -l alone, or -u and -d"),
    ):
        with pytest.raises(ConfigError, match=message):
            Mutagenesis(**values)
    for options, more, message in (
        (replace(OPTIONS, length=65), {}, "-l is 65 bp: want 1 to 64"),
        (replace(OPTIONS, shifts=(32,)), {}, "shifts reach 32 bp"),
        (replace(OPTIONS, head="body"), {}, "head 'body' is not one"),
        (OPTIONS, {"part_positions": 0}, "part_positions is 0"),
        (OPTIONS, {"targets": (Target(0, "T9"),)}, "unknown target 'T9'"),
        (
            replace(OPTIONS, untransform="current"),
            {"targets": (Target(0, "T0", sum_stat="peak"),)},
            "cannot untransform target 'T0'",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            run(options=options, **more)
    assert not (tmp_path / "out").exists()


def test_work_is_forecast_and_a_small_disk_refused(run, monkeypatch, caplog, tmp_path):
    class Small:
        free = 100

    caplog.set_level(logging.INFO)
    monkeypatch.setattr("shutil.disk_usage", lambda _: Small)
    with pytest.raises(TfepiError, match=r"out needs .* kB, its disk has 100 B: free some space"):
        run()
    assert "5 sequences, 9 positions each: 140 predictions to make; 19.4 kB of" in caplog.text
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def small_model(test_data):
    source = Path(__file__).with_name("test_existing_tool.py")
    path = test_data / "fixtures" / "basenji" / "model" / "small.h5"
    return runpy.run_path(str(source))["SmallModel"](path)


class TestExistingTools:
    """The same scores as basenji_sat_bed.py, basenji_sat_vcf.py and hound_ism_bed.py.

    The numbers are theirs, in float16, of small.h5 with TensorFlow 2.15.
    """

    REGIONS = "chr1\t106497\t106600\tb\t0\t-\nchr1\t100\t160\tc\t0\t+\n"
    SUM = (  # --rc --shifts 1,0,-1; two positions, four letters, target 2
        ((-0.00572967529296875, -0.0029621124267578125, 0.01611328125, -0.007419586181640625),
         (-0.0011463165283203125, -2.384185791015625e-05, 0.017822265625, -0.0166473388671875)),
        ((-0.001834869384765625, 0.004894256591796875, 0.0017185211181640625,
          -0.0047760009765625),
         (-0.00046443939208984375, 0.0023288726806640625, -0.0025119781494140625,
          0.0006475448608398438)),
    )  # fmt: skip
    SCD = (
        ((0.0218505859375, 0.019073486328125, 0.0, 0.023529052734375),
         (0.0155029296875, 0.016632080078125, 0.034454345703125, 0.0)),
        ((0.0067291259765625, 0.0, 0.003173828125, 0.009674072265625),
         (0.0011119842529296875, 0.001682281494140625, 0.0031604766845703125, 0.0)),
    )  # fmt: skip
    LOG_SUM = (
        (-0.01284027099609375, -0.0196380615234375, 0.0, -0.02862548828125),
        (0.009185791015625, 0.005977630615234375, 0.01009368896484375, 0.0),
    )
    SAX = (
        (-0.049163818359375, -0.07501220703125, 0.0, -0.1090087890625),
        (0.03546142578125, 0.023040771484375, 0.0389404296875, 0.0),
    )
    ALT_OF_RS1 = (  # target 3 of rs1_C
        (-0.0001596212387084961, -0.001560211181640625, -0.000728607177734375,
         0.00244903564453125),
        (-0.000438690185546875, -0.0007977485656738281, 0.0004074573516845703,
         0.0008287429809570312),
    )  # fmt: skip

    @pytest.fixture
    def scored(self, small_model, test_data, tmp_path):
        targets = tuple(Target(i, f"T{i}") for i in range(6))
        heads = (Head("main", targets),)
        spec = ModelSpec("small", {"sequence": (1344, 4)}, 192, 576, heads)
        fasta = test_data / "fixtures" / "basenji" / "genome.fa"

        def run(regions, **options):
            path = tmp_path / "regions"
            path.write_text(regions)
            predictor = CallablePredictor(small_model, spec)
            done = Mutagenesis(length=2, **options)
            return read(
                mutate(lambda: predictor, spec, path, fasta, tmp_path / "out", done, quiet=True)
            )

        return run

    def test_basenji_sat_bed(self, scored):
        found = scored(self.REGIONS, stats=("sum", "scd"), rc=True, shifts=(1, 0, -1))
        assert found["start"].tolist() == [106547, 129]
        assert found["seqs"].argmax(-1).tolist() == [[2, 3], [1, 3]]
        np.testing.assert_allclose(found["sum"][..., 2], self.SUM, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found["scd"][..., 2], self.SCD, rtol=1e-3, atol=1e-5)

    def test_hound_ism_bed(self, scored):
        found = scored(self.REGIONS, stats=("logSUM", "SAX"))
        np.testing.assert_allclose(found["logSUM"][0, ..., 2], self.LOG_SUM, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(found["SAX"][0, ..., 2], self.SAX, rtol=1e-3, atol=1e-6)

    def test_basenji_sat_vcf(self, scored):
        header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        found = scored(header + "chr1\t24798\trs1\tG\tC\t.\t.\t.\n")
        assert found["label"].tolist() == [b"rs1_G", b"rs1_C"]
        assert found["seqs"][1].argmax(-1).tolist() == [1, 0]
        np.testing.assert_allclose(found["sum"][1, ..., 3], self.ALT_OF_RS1, rtol=1e-3, atol=1e-6)


def test_every_statistic_has_a_name():
    assert len(set(NAMES)) == len(NAMES)
    assert {"sum", "center", "scd", "SAD", "D2"} <= set(NAMES)
    assert not {"REF", "ALT"} & set(NAMES)
