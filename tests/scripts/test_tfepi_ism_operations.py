"""The sub-commands of tfepi_ism.py, and mutagenesis of whole regions and genes."""

import json

import h5py
import pandas
import pytest

SCRIPT = "tfepi_ism.py"


@pytest.fixture
def bed(tmp_path):
    path = tmp_path / "in.bed"
    path.write_text("chr1\t1500\t1512\tone\t0\t+\nchr3\t20990\t21000\ttwo\t0\t-\n")
    return path


@pytest.fixture
def genes(tmp_path):
    path = tmp_path / "genes.bed"
    path.write_text("chr1\t2000\t2100\tg1\t0\t+\nchr2\t3000\t3040\tg2\t0\t-\n")
    return path


@pytest.fixture
def named(model, genome_folder, tmp_path):
    """Arguments: params, model, then what `rest` says, genome and output folder."""

    def arguments(*rest, out="out"):
        return [
            *(model / "params.json", model, *rest),
            *("-f", genome_folder / "genome.fa", "-o", tmp_path / out, "-q"),
        ]

    return arguments


def test_deletions(run_script, named, bed, tmp_path):
    done = run_script(SCRIPT, "delete", *named(bed), "--width", 4)
    folder = tmp_path / "out"
    assert done.stdout == f"wrote {folder}: deletions.parquet of 6 deletions, 2 figures\n"
    table = pandas.read_parquet(folder / "deletions.parquet")
    assert table["start"].tolist()[::2] == [1500, 1504, 1508, 20990, 20994, 20998]
    assert table["SAD"].abs().min() > 0
    record = json.loads((folder / "run.json").read_text())
    assert {"regions", "fasta", "model", "spec"} <= set(record["inputs"])
    assert json.loads((folder / "manifest.json").read_text())["facts"]["way"] == "remove"


def test_what_moves_is_predicted_whole_unless_asked(here, named, bed, tmp_path):
    wanted = {
        ("auto", "remove"): "off",
        ("on", "remove"): "on",
        ("auto", "blank"): "auto",
    }
    for number, ((asked, way), done) in enumerate(wanted.items()):
        options = ["--way", way, "--incremental", asked, "--no_plots"]
        assert here(SCRIPT, "delete", *named(bed, out=str(number)), *options)[0] == 0
        facts = json.loads((tmp_path / str(number) / "manifest.json").read_text())["facts"]
        assert facts["options"]["incremental"] == done


def test_scrambles_of_genes(here, named, genes, tmp_path):
    options = ["--genes", genes, "--promoter", "8,4", "--gene_names", "g2", "--width", 6]
    options += ["--scrambles", 3, "--no_plots", "--stats", "SAD,D2"]
    status, out, _ = here(SCRIPT, "scramble", *named(), *options)
    assert (status, out) == (0, f"wrote {tmp_path / 'out'}: scrambles.parquet of 2 pieces\n")
    table = pandas.read_parquet(tmp_path / "out" / "scrambles.parquet")
    assert table[["start", "end"]].drop_duplicates().to_numpy().tolist() == [
        [3036, 3042],
        [3042, 3048],
    ]
    assert set(table["region"]) == {"g2"}
    assert {"SAD", "SAD_sd", "D2", "D2_sd", "differ"} <= set(table)
    assert here(SCRIPT, "scramble", *named(), *options, "--resume")[0] == 0
    status, _, err = here(SCRIPT, "scramble", *named(), *options, "--resume", "--seed", 3)
    assert status == 2
    assert "seed changed since" in err[-1]
    options[options.index("8,4")] = "8,5"
    status, _, err = here(SCRIPT, "scramble", *named(), *options, "--resume")
    assert status == 2
    assert "promoter" in err[-1]


def test_insertions(here, named, bed, tmp_path):
    meme = tmp_path / "in.meme"
    meme.write_text(
        "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF m1\n"
        "letter-probability matrix: alength= 4 w= 2\n 1 0 0 0\n 0 0 1 0\n"
    )
    options = ["--motifs", meme, "--consensus", "x=TTACCCG", "--offsets=-30,0,30"]
    status, out, _ = here(SCRIPT, "insert", *named(bed), *options, "--shuffles", 4)
    wanted = f"wrote {tmp_path / 'out'}: motifs.tsv and insertions.parquet of 2 motifs, 2 figures\n"
    assert (status, out) == (0, wanted)
    table = pandas.read_csv(tmp_path / "out" / "motifs.tsv", sep="\t")
    assert len(table) == 2 * (1 + 3 * 2) * 2
    assert set(table["units"]) == {8}
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert "motifs" in record["inputs"]


def test_double_mutants(here, named, genome_values, tmp_path):
    sequence = genome_values[0]["chr1"].upper()
    start = next(n for n in range(2000, 3000) if not set(sequence[n : n + 12]) - set("ACGT"))
    bed = tmp_path / "known.bed"
    bed.write_text(f"chr1\t{start}\t{start + 12}\nchr1\t{start}\t{start + 10}\t.\t.\t-\n")
    options = ["--change", "complement", "--rc"]
    status, out, _ = here(SCRIPT, "pairs", *named(bed), *options)
    assert (status, out) == (
        0,
        f"wrote {tmp_path / 'out'}: pairs.parquet of 2 windows, 2 figures\n",
    )
    table = pandas.read_parquet(tmp_path / "out" / "pairs.parquet")
    assert len(table) == 2 * (66 + 45)
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("chrom\tstart_a\tend_a\tstart_b\tend_b\nchr1\t1500\t1506\t1510\t1512\n")
    status, out, _ = here(
        SCRIPT, "pairs", *named("--pairs", pairs, out="b"), "--change", "shuffle", "--shuffles", 3
    )
    assert (status, out) == (0, f"wrote {tmp_path / 'b'}: interval_pairs.parquet of 1 window\n")
    table = pandas.read_parquet(tmp_path / "b" / "interval_pairs.parquet")
    assert table["SAD_epistasis_sd"].notna().all()


def test_whole_regions_and_tracks(here, named, tmp_path):
    bed = tmp_path / "wide.bed"
    bed.write_text("chr1\t1500\t1525\tone\t0\t+\nchr3\t20990\t21000\ttwo\t0\t-\n")
    options = ["--whole_regions", "-l", 10, "--bigwig", "mean", "--stats", "SAD"]
    status, out, _ = here(SCRIPT, *named(bed), *options)
    assert (status, out) == (0, f"wrote {tmp_path / 'out'}: scores.h5, 1 track, 4 figures\n")
    with h5py.File(tmp_path / "out" / "scores.h5") as file:
        assert file["mutated"][()].sum() == 35
        assert file["SAD"].shape == (4, 10, 4, 2)
    assert (tmp_path / "out" / "bigwig" / "mean.bw").stat().st_size > 100


def test_bodies_of_genes_with_arguments_in_any_order(here, model, genes, genome_folder, tmp_path):
    arguments = ["-f", genome_folder / "genome.fa", model / "params.json", "-o", tmp_path / "out"]
    arguments += [model, "--genes", genes, "--gene_body", "-l", 50, "-q", "--no_plots"]
    status, out, _ = here(SCRIPT, *arguments)
    assert (status, out) == (0, f"wrote {tmp_path / 'out'}: scores.h5\n")
    with h5py.File(tmp_path / "out" / "scores.h5") as file:
        assert file["start"].shape == (3,)
        assert file["label"][()].tolist() == [b"g1", b"g1", b"g2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "a file of regions or --genes is wanted, and neither is given"),
        (["BED", "--genes", "x.gtf"], "a file of regions or --genes is wanted, and both are given"),
        (["BED", "--gene_body"], "--gene_body is given without --genes"),
        (["BED", "--promoter", "5,5"], "--promoter is given without --genes"),
        (["--genes", "GENES", "--promoter", "5"], "promoter is '5'"),
        (["--genes", "GENES", "--gene_names", "g9"], "unknown gene 'g9'"),
        (["--genes", "BED.x"], "does not exist"),
        (["VCF", "--whole_regions"], "--whole_regions is of regions of the genome"),
        (["VCF", "--bigwig", "mean"], "--bigwig is of regions of the genome"),
        (["BED", "--bigwig", "all"], "unknown choice of tracks 'all'"),
    ],
)
def test_bad_regions(here, named, bed, genes, tmp_path, arguments, message):
    vcf = tmp_path / "in.vcf"
    vcf.write_text("##fileformat=VCFv4.2\n")
    names = {"BED": bed, "GENES": genes, "VCF": vcf}
    given = [names.get(a, a) for a in arguments]
    status, out, err = here(SCRIPT, *named(*given))
    assert (status, out) == (2, "")
    assert message in err[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        ("delete", ["BED", "--way", "cut"], "unknown way of deletion 'cut'"),
        ("delete", ["BED", "--width", "0"], "--width is 0 bp: want at least 1"),
        ("delete", ["BED", "--step", "0"], "--step is 0 bp: want at least 1"),
        ("delete", ["BED", "-l", "5"], "-l is 5 bp: want 10 (--width) to 256 (the model's window)"),
        ("delete", ["BED", "-l", "-5"], "-l is -5 bp: want 10 (--width) to 256"),
        ("delete", ["BED", "--width", "300"], "--width is 300 bp, the model's window 256 bp"),
        ("delete", ["BED", "--stats", "sum"], "unknown statistic 'sum'"),
        ("delete", [], "a file of regions or --genes is wanted, and neither is given"),
        ("scramble", ["BED", "--keep", "order"], "unknown property that scrambles keep 'order'"),
        ("scramble", ["BED", "--scrambles", "0"], "0 scrambles of each piece"),
        ("insert", ["BED"], "no motif is given: name a MEME file with --motifs, or --consensus"),
        ("insert", ["BED", "--consensus", "AXA"], "has the letter 'X'"),
        ("insert", ["BED", "--consensus", "ACG", "--offsets", "200"], "does not fit into the mod"),
        ("insert", ["BED", "--consensus", "ACG", "--shuffles", "-1"], "-1 shuffles of each region"),
        ("pairs", [], "a file of regions or --pairs is wanted, and neither is given"),
        ("pairs", ["BED", "--pairs", "x"], "a file of regions or --pairs is wanted, and both are"),
        ("pairs", ["BED", "--shuffles", "3"], "--shuffles 3 is given without --change shuffle"),
        ("pairs", ["BED", "--change", "shuffle"], "unknown change of positions 'shuffle'"),
        ("pairs", ["BED", "--stats", "D2"], "unknown statistic 'D2'"),
        ("pairs", ["--pairs", "none.tsv"], "does not exist"),
    ],
)
def test_bad_operations(here, named, bed, tmp_path, operation, arguments, message):
    given = [bed if a == "BED" else a for a in arguments]
    status, out, err = here(SCRIPT, operation, *named(*given))
    assert (status, out) == (2, "")
    assert message in err[-1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        ("delete", ["--way", "cut"], "unknown way of deletion 'cut'"),
        ("scramble", ["--keep", "order"], "unknown property that scrambles keep 'order'"),
        ("insert", ["--consensus", "ACG", "--strands", "x"], "strands are 'x'"),
        ("pairs", ["--change", "shuffle"], "unknown change of positions 'shuffle'"),
    ],
)
def test_bad_input_is_one_line_before_tensorflow(
    refused, model, genome_folder, bed, tmp_path, operation, arguments, message
):
    fasta = genome_folder / "genome.fa"
    given = [operation, model / "params.json", model, bed, "-f", fasta, "-o", tmp_path / "out"]
    refused(SCRIPT, [*given, *arguments], {"--shifts": "0"}, message)


def test_bases_that_are_not_known_have_no_pairs(here, named, tmp_path):
    bed = tmp_path / "n.bed"
    bed.write_text("chr1\t1000\t1010\n")
    status, _, err = here(SCRIPT, "pairs", *named(bed))
    assert status == 2
    assert "region chr1:1000-1010 has N at chr1:1000" in err[-1]
