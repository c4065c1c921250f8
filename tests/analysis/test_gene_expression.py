"""Expression at start sites against windows cut out of text, one by one."""

import json

import h5py
import numpy as np
import pytest

from tfepi.analysis.expression_file import Expression
from tfepi.analysis.gene_expression import AtStartSites, Request, predict_genes, tss_site
from tfepi.analysis.tss import GeneChoice, StartSite
from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.genome import encode, one_hot
from tfrecords_tools.targets import Target

LENGTH, WIDTH, CROP, BINS = 64, 8, 8, 6
MIDDLE = 3  # (32 - 8) / 8
TARGETS = (
    Target(0, "C+", strand_pair=1, description="cage"),
    Target(1, "C-", strand_pair=0, description="cage"),
    Target(2, "D", description="dnase"),
)
WEIGHTS = np.random.default_rng(1).uniform(0.05, 1, (WIDTH, 4, 3)).astype(np.float32)
SPEC = ModelSpec("toy", {"sequence": (LENGTH, 4)}, WIDTH, CROP, (Head("main", TARGETS),))


def toy(sequences):
    inner = sequences[:, CROP : CROP + BINS * WIDTH].reshape(len(sequences), BINS, WIDTH, 4)
    return np.einsum("nbwc,wct->nbt", inner, WEIGHTS)


class Model(CallablePredictor):
    """The toy model; counts the sequences it was asked for, and can stop."""

    def __init__(self, function=toy, stop_after=None, spec=SPEC):
        super().__init__(function, spec)
        self.sequences, self.stop_after = 0, stop_after

    def predict(self, inputs):
        self.sequences += len(inputs["sequence"])
        if self.stop_after is not None and self.sequences > self.stop_after:
            raise KeyboardInterrupt
        return super().predict(inputs)


@pytest.fixture(scope="module")
def letters():
    rng = np.random.default_rng(4)
    lengths = {"chr1": 900, "chr2": 40}
    return {name: "".join(rng.choice(list("ACGTN"), n)) for name, n in lengths.items()}


@pytest.fixture(scope="module")
def fasta(tmp_path_factory, letters):
    path = tmp_path_factory.mktemp("fasta") / "genome.fa"
    path.write_text("".join(f">{name}\n{s}\n" for name, s in letters.items()))
    return path


# gene, chromosome, strand, 0-based starts of its transcripts
GENES = (
    ("edge", "chr1", "+", (3,)),
    ("many", "chr1", "+", (100, 105, 130, 400)),
    ("back", "chr1", "-", (880, 700)),
    ("short", "chr2", "-", (20,)),
)


@pytest.fixture(scope="module")
def gtf(tmp_path_factory):
    path = tmp_path_factory.mktemp("genes") / "genes.gtf"
    lines = []
    for gene, chrom, strand, starts in GENES:
        for number, start in enumerate(starts):
            low, high = (
                (start + 1, start + 20) if strand == "+" else (max(1, start - 18), start + 1)
            )
            of = f'gene_id "{gene}"; transcript_id "{gene}{number}"'
            lines.append(f"{chrom}\tx\ttranscript\t{low}\t{high}\t.\t{strand}\t.\t{of};\n")
    path.write_text("".join(lines))
    return path


@pytest.fixture
def alone(letters):
    """Return a function: all bins of the window of one start site, cut out of text."""

    def predict(chrom, position, rc=False, shift=0):
        padded = "N" * 200 + letters[chrom] + "N" * 200
        low = position + 200 - LENGTH // 2 - shift
        window = padded[low : low + LENGTH]
        if shift > 0:  # what moves in is N
            window = "N" * shift + window[shift:]
        codes = one_hot(encode(window))
        if rc:
            return toy(codes[None, ::-1, ::-1])[0, ::-1][:, [1, 0, 2]]
        return toy(codes[None])[0]

    return predict


@pytest.fixture
def run(tmp_path, gtf, fasta):
    def predict(model=None, which="each", request=Request(), name="out", apart=None, **options):  # noqa: B008
        model = model or Model()
        genes = GeneChoice(gtf, which=which, apart=apart, names=options.pop("names", ()))
        options = {"quiet": True} | options
        where = (genes, fasta, tmp_path / name, request)
        return predict_genes(lambda: model, model.spec, *where, **options)

    return predict


def opened(folder):
    with h5py.File(folder / "expression.h5") as file:
        found = {k: v[()] for k, v in file.items() if k != "genes"}
        tables = {k: v[()] for k, v in file.get("genes", {}).items()}
        return found, tables, dict(file.attrs)


def both(bins, neighbours=1):
    near = bins[MIDDLE - neighbours : MIDDLE + neighbours + 1].astype(float)
    return bins[MIDDLE].astype(float), near.sum(axis=0)


def with_sense(values, strand):
    return np.r_[values, values[0 if strand == "+" else 1]]


@pytest.mark.parametrize("part_windows", [1, 3, None])
@pytest.mark.parametrize(("rc", "shifts"), [(False, (0,)), (True, (0, 3))])
def test_each_start_site(run, alone, rc, shifts, part_windows):
    request = Request(rc=rc, shifts=shifts, batch_size=2)
    folder = run(request=request, apart=0, part_windows=part_windows)
    found, tables, attributes = opened(folder)
    row = 0
    for number, (gene, chrom, strand, starts) in enumerate(GENES):
        of_gene = []
        for position in starts:  # as GENES lists them: from the gene's own end on
            each = [
                alone(chrom, position, r, s)
                for s in shifts
                for r in ((False, True) if rc else (False,))
            ]
            values = [with_sense(v, strand) for v in both(np.mean(each, axis=0))]
            np.testing.assert_allclose(found["tss_bin"][row], values[0], rtol=1e-5)
            np.testing.assert_allclose(found["with_neighbours"][row], values[1], rtol=1e-5)
            named = (found[k][row] for k in ("gene", "chrom", "strand", "position", "number"))
            assert (*named,) == (*(v.encode() for v in (gene, chrom, strand)), position, number)
            of_gene.append(values)
            row += 1
        for k, value in enumerate(("tss_bin", "with_neighbours")):
            rows = np.array([v[k] for v in of_gene])
            np.testing.assert_allclose(tables[f"{value}_sum"][number], rows.sum(0), rtol=1e-5)
            np.testing.assert_allclose(tables[f"{value}_max"][number], rows.max(0), rtol=1e-5)
    assert row == len(found["gene"])
    assert found["track_ids"].tolist() == [b"C+", b"C-", b"D", b"C"]
    assert found["track_labels"].tolist() == [b"cage", b"cage", b"dnase", b"cage"]
    assert found["track_strand"].tolist() == [b"+", b"-", b".", b"sense"]
    assert (attributes["format"], attributes["format_version"]) == ("tfepi-gene-expression", 1)
    assert (attributes["bin_width"], attributes["neighbours"]) == (WIDTH, 1)
    assert json.loads(attributes["options"])["rc"] is rc


def test_sites_too_near_count_once(run):
    """By default no base is in the sums of two sites of a gene: 24 bp of three bins."""
    found, tables, _ = opened(run())
    assert found["position"].tolist() == [3, 100, 130, 400, 880, 700, 20]
    np.testing.assert_allclose(
        tables["with_neighbours_sum"][1], found["with_neighbours"][1:4].sum(0), rtol=1e-6
    )
    found, _, _ = opened(run(request=Request(neighbours=2), name="two"))
    assert found["position"].tolist() == [3, 100, 400, 880, 700, 20]


def test_one_site_per_gene_and_the_table(run):
    folder = run(which="canonical", names=("back", "short", "edge"))
    found, tables, _ = opened(folder)
    assert found["position"].tolist() == [3, 880, 20]
    assert not tables
    header, *lines = [s.split("\t") for s in (folder / "genes.tsv").read_text().splitlines()]
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    assert [r["gene"] for r in rows] == ["edge", "back", "short"]
    assert [r["tss"] for r in rows] == ["3", "880", "20"]
    assert [r["transcripts"] for r in rows] == ["edge0", "back0", "short0"]
    # The site is the first base of its bin, as 32 - 8 is a multiple of 8.
    assert [(r["bin_start"], r["bin_end"]) for r in rows] == [
        ("3", "11"),
        ("880", "888"),
        ("20", "28"),
    ]
    assert [r["outside"] for r in rows] == ["29", "12", "24"]
    record = json.loads((folder / "run.json").read_text())
    assert (record["genes"], record["start_sites"], record["outcome"]) == (3, 3, "finished")
    assert set(record["inputs"]) == {"fasta", "genes"}
    assert not (folder / "parts").exists()


def test_the_bin_holds_the_site_where_bins_are_odd():
    spec = ModelSpec("x", {"sequence": (100, 4)}, 12, 2, SPEC.heads)  # 8 bins of 12 from 2
    site = tss_site(spec, 1)
    assert (site.first, site.bins, site.offset) == (3, 3, 38)
    low = site.offset + site.bin_width
    assert low <= 50 < low + 12
    windows = AtStartSites([StartSite("c", 1000, "+", "g", "g")], site)
    assert windows.block(np.array([0]))[1].tolist() == [1000 - 50 + 38]
    assert len(windows) == 1


def test_the_bins_of_enformer():
    """Of 896 bins in the middle of 196,608 bp the site is the first base of number 448."""
    spec = ModelSpec("enformer", {"sequence": (196_608, 4)}, 128, 40_960, SPEC.heads)
    site = tss_site(spec, 1)
    assert (spec.target_length, site.first, site.bins) == (896, 447, 3)
    assert site.offset + 128 == 196_608 // 2


def test_no_neighbours(run, alone):
    found, _, _ = opened(run(which="canonical", request=Request(neighbours=0)))
    np.testing.assert_array_equal(found["tss_bin"], found["with_neighbours"])
    wanted = with_sense(alone("chr1", 100)[MIDDLE], "+")
    np.testing.assert_allclose(found["tss_bin"][1], wanted, rtol=1e-5)


def test_some_targets(run):
    whole, _, _ = opened(run())
    some, _, _ = opened(run(targets=(TARGETS[2], TARGETS[1]), name="some"))
    assert some["track_ids"].tolist() == [b"D", b"C-"]
    np.testing.assert_array_equal(some["tss_bin"], whole["tss_bin"][:, [2, 1]])


def test_a_killed_run_goes_on(run):
    whole = run(name="whole", part_windows=2)
    model = Model(stop_after=4)
    again = {"name": "killed", "part_windows": 2, "request": Request(batch_size=2)}
    with pytest.raises(KeyboardInterrupt):
        run(model, **again)
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        run(**again)
    with pytest.raises(UnfinishedError, match="names changed"):
        run(**again, names=("edge",), resume=True)
    with pytest.raises(UnfinishedError, match="genes changed"):
        run(**again, apart=7, resume=True)
    model = Model()
    folder = run(model, **again, resume=True)
    assert model.sequences == 3  # of seven sites
    for name in ("genes.tsv",):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    found, wanted = opened(folder), opened(whole)
    for mine, theirs in zip(found[:2], wanted[:2], strict=True):
        for key, values in theirs.items():
            np.testing.assert_array_equal(mine[key], values)
    model = Model()
    run(model, **again, resume=True)
    assert model.sequences == 0
    run(model, **again, overwrite=True)
    assert model.sequences == 7


def test_undefined_predictions(run, caplog):
    def partly(sequences):
        values = toy(sequences)
        values[sequences[:, 0].sum(axis=1) == 0] = np.nan  # N at the first base
        return values

    folder = run(Model(partly))
    record = json.loads((folder / "run.json").read_text())
    found, tables, _ = opened(folder)
    bad = np.isnan(found["tss_bin"]).all(axis=1)
    assert record["undefined_start_sites"] == bad.sum() > 0
    assert not bad.all()
    assert np.isnan(tables["tss_bin_sum"]).all(axis=1)[0]
    with pytest.raises(InputFileError, match="predicts no finite number for start sites 1 to 7"):
        run(Model(lambda s: toy(s) * np.nan), name="damaged")


def test_a_cell_type_as_input(tmp_path, gtf, fasta):
    spec = ModelSpec(
        "toy", {"sequence": (LENGTH, 4), "tracks": (LENGTH, 1)}, WIDTH, CROP, SPEC.heads
    )

    class WithTracks(CallablePredictor):
        def predict(self, inputs):
            values = toy(one_hot(inputs["sequence"]))
            return {"main": (values + inputs["tracks"][:, :1]).astype(np.float32)}

    def condition(places):
        return {"tracks": np.array([[[start]] * LENGTH for _, start, _ in places], np.float32)}

    inputs = (spec, GeneChoice(gtf), fasta)
    plain = predict_genes(Model, SPEC, *inputs[1:], tmp_path / "plain", quiet=True)
    folder = predict_genes(
        lambda: WithTracks(toy, spec),
        *inputs,
        tmp_path / "cell",
        condition=condition,
        quiet=True,
    )
    more = opened(folder)[0]["tss_bin"] - opened(plain)[0]["tss_bin"]
    starts = opened(plain)[0]["position"] - LENGTH // 2
    np.testing.assert_allclose(more, np.tile(starts[:, None], (1, 4)), atol=1e-3)
    with pytest.raises(ConfigError, match="takes tracks besides the sequence"):
        predict_genes(Model, *inputs, tmp_path / "none", quiet=True)
    with pytest.raises(ConfigError, match="takes the sequence alone"):
        predict_genes(Model, SPEC, *inputs[1:], tmp_path / "none", condition=condition)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neighbours": -1}, "neighbours is -1: want 0 or more bins"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"shifts": (1, 1)}, "shifts are"),
        ({"untransform": "curent"}, "did you mean 'current'"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ConfigError, match=message):
        Request(**options)


def test_models_that_have_no_such_bins(run, tmp_path):
    with pytest.raises(
        ConfigError, match="neighbours is 3: the TSS is in bin 3 of the model's 6, want at most 2"
    ):
        tss_site(SPEC, 3)
    methylation = ModelSpec("m", SPEC.inputs, 1, 31, SPEC.heads, extra={"kind": "methylation"})
    with pytest.raises(ConfigError, match="the methylation of one CpG, nothing at start sites"):
        tss_site(methylation, 0)
    with pytest.raises(ConfigError, match="no bin in the middle"):
        tss_site(ModelSpec("x", SPEC.inputs, 33, 31, SPEC.heads), 0)
    with pytest.raises(ConfigError, match="part_windows is 0"):
        run(part_windows=0)
    with pytest.raises(ConfigError, match="shifts reach 32 bp"):
        run(request=Request(shifts=(32,)))
    with pytest.raises(ConfigError, match="unknown target 'X'"):
        run(targets=(Target(0, "X"),))
    assert not (tmp_path / "out").exists()


def test_reading_again(run, tmp_path):
    folder = run()
    expression = Expression.read(folder)
    assert expression.genes == ("edge", "many", "back", "short")
    assert expression.position.tolist() == [3, 100, 880, 20]
    assert (expression.tracks[3], expression.strands[3], expression.several) == ("C", "sense", True)
    _, tables, _ = opened(folder)
    np.testing.assert_array_equal(
        expression.columns("tss_bin", (3, 0)), tables["tss_bin_sum"][:, [3, 0]]
    )
    blocks = list(expression.blocks("with_neighbours", 8))
    assert [first for first, _ in blocks] == [0, 2]
    np.testing.assert_array_equal(
        np.concatenate([b for _, b in blocks]), tables["with_neighbours_sum"]
    )
    one = Expression.read(run(which="canonical", name="one") / "expression.h5")
    assert not one.several
    np.testing.assert_array_equal(
        one.columns("tss_bin", (0,))[:, 0], opened(one.path.parent)[0]["tss_bin"][:, 0]
    )
    with pytest.raises(InputFileError, match=r"predicted expression .* does not exist"):
        Expression.read(tmp_path / "nosuch.h5")
    (tmp_path / "bad.h5").write_bytes(b"x" * 99)
    with pytest.raises(InputFileError, match="is damaged"):
        Expression.read(tmp_path / "bad.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = "other"
    with pytest.raises(InputFileError, match="has format 'other' version None, want 'tfepi-gene"):
        Expression.read(tmp_path / "other.h5")
