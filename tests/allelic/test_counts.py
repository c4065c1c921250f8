"""Allele counts of each layout, and what is said of bad ones."""

import gzip

import numpy as np
import pytest

from tfepi.allelic.counts import read_sites
from tfepi.allelic.genome_check import sites_of_genome
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome, decode

PLAIN = "chrom\tpos0\tref\talt\tref_reads\talt_reads"
GATK = "contig\tposition\tvariantID\trefAllele\taltAllele\trefCount\taltCount\ttotalCount"


@pytest.fixture
def table(tmp_path):
    """Return a function that writes a table of a header and lines, spaces for tabs."""

    def write(header: str, *lines: str, name: str = "counts.tsv"):
        path = tmp_path / name
        path.write_text("\n".join([header, *(line.replace(" ", "\t") for line in lines)]) + "\n")
        return path

    return write


@pytest.fixture
def vcf(tmp_path):
    """Return a function that writes a VCF with AD of two samples, spaces for tabs."""

    def write(*lines: str, ad: str = "Number=R,Type=Integer", samples: str = "a b"):
        path = tmp_path / "counts.vcf"
        head = [
            "##fileformat=VCFv4.2",
            "##contig=<ID=chr1,length=60000>",
            '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">',
            f'##FORMAT=<ID=AD,{ad},Description="d">',
        ]
        columns = f"#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT {samples}"
        text = "\n".join([*head, *(x.replace(" ", "\t") for x in (columns, *lines))])
        path.write_text(text + "\n")
        return path

    return write


def test_a_plain_table_in_the_order_of_places(table):
    sites = read_sites(table(PLAIN, "chr2 5 a G 7 3", "chr1 9 C T 1 0", "chr1 8 C T 2 2"))
    assert sites.chrom.tolist() == ["chr1", "chr1", "chr2"]
    assert sites.position.tolist() == [8, 9, 5]
    assert sites.ref.tolist() == ["C", "C", "A"]
    assert sites.ref_reads.tolist() == [2, 1, 7]
    assert sites.dosage.tolist() == [1, 1, 1]
    assert sites.ratio.tolist() == [0.5, 1, 0.7]
    assert sites.ref_reads.dtype == np.int64
    assert sites.rows(sites.reads > 3).chrom.tolist() == ["chr1", "chr2"]


def test_columns_of_gatk_count_from_one(table):
    path = table(GATK, "chr1 10 rs1 C T 7 3 10", name="s.table")
    assert read_sites(path).position.tolist() == [9]
    with pytest.raises(ConfigError, match="counts from 1, not 0"):
        read_sites(path, base=0)


def test_the_base_of_a_column_pos_has_to_be_said(table):
    path = table(PLAIN.replace("pos0", "pos"), "chr1 10 C T 7 3")
    with pytest.raises(ConfigError, match="--base 0 or --base 1"):
        read_sites(path)
    assert read_sites(path, base=0).position.tolist() == [10]
    assert read_sites(path, base=1).position.tolist() == [9]
    with pytest.raises(ConfigError, match="base is 2"):
        read_sites(path, base=2)
    one = table(PLAIN.replace("pos0", "pos1"), "chr1 0 C T 7 3")
    with pytest.raises(InputFileError, match="line 2 has pos1 '0': want a whole number, 1 or more"):
        read_sites(one)


def test_columns_can_be_named(table):
    header = "contig\tpos0\tchrom\tplace\tref\talt\tr\ta\tbad"
    path = table(header, "w 4 chr1 104 C T 7 3 1.5")
    with pytest.raises(InputFileError, match="want ref_reads, alt_reads as well"):
        read_sites(path)
    names = {"ref_reads": "r", "alt_reads": "a"}
    first = read_sites(path, columns=names)
    assert (first.chrom[0], first.position[0], first.dosage[0]) == ("w", 4, 1.5)
    other = read_sites(path, columns=names | {"chrom": "chrom", "pos0": "place"})
    assert (other.chrom[0], other.position[0]) == ("chr1", 104)
    with pytest.raises(ConfigError, match="unknown column 'reff'"):
        read_sites(path, columns={"reff": "r"})
    with pytest.raises(ConfigError, match="unknown column 'q'"):
        read_sites(path, columns={"ref_reads": "q"})


def test_samples_are_added_up_or_kept(table):
    path = table(
        PLAIN + "\tsample\tdosage",
        "chr1 9 C T 7 3 a 1",
        "chr1 9 C T 2 4 b 1",
        "chr1 9 C G 5 5 b 1",
        "chr1 20 C T 6 6 b 2",
    )
    summed = read_sites(path)
    assert summed.position.tolist() == [9, 9, 20]
    assert summed.alt.tolist() == ["G", "T", "T"]
    assert summed.ref_reads.tolist() == [5, 9, 6]
    assert summed.alt_reads.tolist() == [5, 7, 6]
    assert set(summed.sample) == {""}
    kept = read_sites(path, sum_samples=False)
    assert len(kept) == 4
    assert kept.sample.tolist() == ["b", "a", "b", "b"]
    assert read_sites(path, samples=["a"]).ref_reads.tolist() == [7]
    with pytest.raises(ConfigError, match="unknown sample 'c'"):
        read_sites(path, samples=["c"])


def test_files_are_samples(table):
    paths = [table(PLAIN, f"chr1 9 C T {n} 3", name=f"{k}.tsv") for k, n in (("x", 7), ("y", 8))]
    assert read_sites(paths).ref_reads.tolist() == [15]
    assert read_sites(paths, sum_samples=False).sample.tolist() == ["x", "y"]


def test_dosages_that_are_left_out_are_not_read(table):
    header = PLAIN + "\tdosage"
    stated = table(header, "chr1 9 C T 7 3 2", "chr1 11 C T 7 3 1", name="stated.tsv")
    other = table(header, "chr1 9 C T 8 3 3", name="other.tsv")
    bad = table(header, "chr1 9 C T 8 3 0.5", name="bad.tsv")
    silent = table(PLAIN, "chr1 9 C T 8 3", name="silent.tsv")
    with pytest.raises(ConfigError, match=r"dosages 2 and 3 .*\(--no_dosage\)"):
        read_sites([stated, other])
    with pytest.raises(ConfigError, match=r"stated.tsv has a background dosage, .*silent.tsv has"):
        read_sites([silent, stated], sum_samples=False)  # a missing one is not 1
    for second in (other, bad, silent):
        summed = read_sites([stated, second], dosage=False)
        assert summed.ref_reads.tolist() == [15, 7]
        assert summed.dosage.tolist() == [1, 1]
    assert read_sites([silent]).dosage.tolist() == [1]


def test_packed_and_with_comments(table, tmp_path):
    path = tmp_path / "c.tsv.gz"
    with gzip.open(path, "wt") as handle:
        handle.write("##made by hand\n#chrom\tpos0\tref\talt\tref_count\talt_count\n")
        handle.write("1\t9\tC\tT\t7\t3\n")
    assert read_sites(path).chrom.tolist() == ["1"]
    assert read_sites(path).reads.tolist() == [10]


def test_what_is_no_single_base_change_is_counted(table):
    sites = read_sites(table(PLAIN, "chr1 9 C T 7 3", "chr1 10 CA C 7 3", "chr1 11 N C 7 3"))
    assert len(sites) == 1
    assert sites.left_out == {"not a change of one base": 2}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1 9 C T 7.5 3", "line 2 has ref_reads '7.5': want a whole number, 0 or more"),
        ("chr1 9 C T 7 -3", "line 2 has alt_reads '-3': want a whole number, 0 or more"),
        ("chr1 9 C T seven 3", "line 2 has ref_reads 'seven'"),
        ("chr1 9 C T  3", "line 2 has ref_reads ''"),
        ("chr1 9 C T inf 3", "line 2 has ref_reads 'inf'"),
        ("chr1 -1 C T 7 3", "line 2 has pos0 '-1'"),
    ],
)
def test_counts_that_are_none(table, line, message):
    with pytest.raises(InputFileError, match=message):
        read_sites(table(PLAIN, line))


def test_bad_tables(table, tmp_path):
    with pytest.raises(InputFileError, match=r"background dosage of '0\.5'"):
        read_sites(table(PLAIN + "\tdosage", "chr1 9 C T 7 3 0.5"))
    with pytest.raises(ConfigError, match=r"dosages 1 and 2 .* \(--keep_samples\)"):
        read_sites(table(PLAIN + "\tdosage\tsample", "chr1 9 C T 7 3 1 a", "chr1 9 C T 7 3 2 b"))
    with pytest.raises(ConfigError, match=r"chr1:10 C>T of sample 'counts' is listed more than"):
        read_sites(table(PLAIN, "chr1 9 C T 7 3", "chr1 9 C T 7 3"))
    with pytest.raises(InputFileError, match="no heterozygous single-base site: 1 not a change"):
        read_sites(table(PLAIN, "chr1 9 CA T 7 3"))
    with pytest.raises(InputFileError, match="no heterozygous single-base site: it has no rows"):
        read_sites(table(PLAIN))
    with pytest.raises(InputFileError, match="does not exist"):
        read_sites(tmp_path / "none.tsv")
    with pytest.raises(ConfigError, match="no file of allele counts"):
        read_sites([])
    (tmp_path / "binary.tsv").write_bytes(b"\xff\xfe\x00\x9f" * 9)
    with pytest.raises(InputFileError, match="cannot read allele counts"):
        read_sites(tmp_path / "binary.tsv")
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(InputFileError, match=r"allele counts .*empty.tsv are empty: want a tab"):
        read_sites(tmp_path / "empty.tsv")
    (tmp_path / "counts.json").write_text('{\n  "chrom": "chr1"\n}\n')
    with pytest.raises(InputFileError, match=r"counts.json are a JSON file: want a tab-separated"):
        read_sites(tmp_path / "counts.json")


def test_heterozygous_genotypes_of_a_vcf(vcf):
    path = vcf(
        "chr1 10 . C T . . . GT:AD 0/1:7,3 1|0:2,5",
        "chr1 11 . C T . . . GT:AD 0/0:9,0 1/1:0,9",
        "chr1 12 . C T,G . . . GT:AD 0/2:4,0,6 1/2:0,5,5",
        "chr1 13 . CA C . . . GT:AD 0/1:4,6 ./1:4,6",
        "chr1 14 . C T . . . GT:AD 0/1:. 0/1:8,2",
    )
    sites = read_sites(path)
    assert sites.position.tolist() == [9, 11, 13]
    assert sites.alt.tolist() == ["T", "G", "T"]
    assert sites.ref_reads.tolist() == [9, 4, 8]
    assert sites.alt_reads.tolist() == [8, 6, 2]
    assert sites.left_out == {
        "two ALT alleles and no REF": 1,
        "not a change of one base": 1,
        "heterozygous without AD": 1,
    }
    assert read_sites(path, samples=["b"]).ref_reads.tolist() == [2, 8]
    assert read_sites(path, sum_samples=False).sample.tolist() == ["a", "b", "a", "b"]
    with pytest.raises(ConfigError, match="unknown sample 'liver': choose from a, b"):
        read_sites(path, samples=["liver"])


def test_a_sample_without_sites_is_named(vcf, table):
    path = vcf("chr1 10 . C T . . . GT:AD 0/1:7,3 1/1:0,7")
    with pytest.raises(InputFileError, match="sample 'b' has no heterozygous single-base site"):
        read_sites(path, samples=["a", "b"])
    empty = vcf()
    with pytest.raises(InputFileError, match="no heterozygous single-base site: it has no rows"):
        read_sites(empty, samples=["a"])
    both = [vcf("chr1 10 . C T . . . GT:AD 0/1:7,3 0/1:2,7"), table(PLAIN, "chr1 9 C T 7 3")]
    assert read_sites(both, samples=["b", "counts"]).ref_reads.tolist() == [9]


def test_vcfs_without_counts(vcf):
    with pytest.raises(InputFileError, match="1 heterozygous genotypes and no FORMAT/AD"):
        read_sites(vcf("chr1 10 . C T . . . GT 0/1 0/0"))
    with pytest.raises(InputFileError, match=r"chr1:10 has AD 7\.5 of sample a"):
        read_sites(vcf("chr1 10 . C T . . . GT:AD 0/1:7.5,2 0/0:1,1", ad="Number=R,Type=Float"))
    with pytest.raises(ConfigError, match="is a VCF"):
        read_sites(vcf("chr1 10 . C T . . . GT:AD 0/1:7,2 0/0:1,1"), base=1)
    path = vcf("chr1 10 . C T . . .")
    path.write_text(path.read_text().replace("\tFORMAT\ta\tb", ""))
    with pytest.raises(InputFileError, match="no samples"):
        read_sites(path)


@pytest.fixture
def genome_counts(genome_folder, table):
    """Return a function that writes counts at places of the shared genome, some moved or wrong."""

    def write(
        moved: int = 0,
        wrong: int = 0,
        chrom: str = "chr1",
        swapped: int = 0,
        header: str = PLAIN,
        **options,
    ):
        with Genome(genome_folder / "genome.fa") as genome:
            letters = decode(genome.indices("chr1", 9000, 9600))
        lines = []
        for number, p in enumerate([i for i, x in enumerate(letters) if x in "ACGT"][:200:4]):
            ref = "ACGT"[("ACGT".index(letters[p]) + (number < wrong)) % 4]
            alt = "ACGT"[("ACGT".index(letters[p]) + 2) % 4]
            if number < swapped:
                ref, alt = alt, ref
            lines.append(f"{chrom} {9000 + p + moved} {ref} {alt} 20 15")
        return read_sites(table(header, *lines), **options)

    return write


def test_ref_is_compared_with_the_genome(genome_folder, genome_counts):
    with Genome(genome_folder / "genome.fa") as genome:
        right, gone = sites_of_genome(genome_counts(), genome)
        assert (len(right), gone) == (50, {})
        some, gone = sites_of_genome(genome_counts(wrong=4), genome)
        assert len(some) == 46
        assert gone == {"REF is not what the genome holds": 4}
        with pytest.raises(InputFileError, match=r"20 of 50 sites disagree .* another genome"):
            sites_of_genome(genome_counts(wrong=20), genome)
        with pytest.raises(InputFileError, match=r"moved by -1: positions count from 1"):
            sites_of_genome(genome_counts(moved=1), genome)
        with pytest.raises(InputFileError, match=r"moved by \+1: positions are one too low; mend"):
            sites_of_genome(genome_counts(moved=-1), genome)
        with pytest.raises(InputFileError, match="has no chromosome '1' but has 'chr1'"):
            sites_of_genome(genome_counts(chrom="1"), genome)


def renamed(ours, theirs):
    return {"columns": {ours: theirs}}


def test_advice_on_positions_works(genome_folder, genome_counts):
    pos1, pos, gatk = (PLAIN.replace("pos0", name) for name in ("pos1", "pos", "position"))
    gatk = gatk.replace("chrom", "contig").replace("ref\talt", "refAllele\taltAllele")
    gatk = gatk.replace("ref_reads\talt_reads", "refCount\taltCount")
    cases = (  # header, by how much positions are wrong, options, what is said, what mends it
        (PLAIN, 1, {}, "from 1 in this file; say --columns pos1=pos0", renamed("pos1", "pos0")),
        (pos1, 0, {}, "from 0 in this file; say --columns pos0=pos1", renamed("pos0", "pos1")),
        (pos, 1, {"base": 0}, "from 1 in this file; say --base 1", {"base": 1}),
        (pos, 0, {"base": 1}, "from 0 in this file; say --base 0", {"base": 0}),
        (gatk, 0, {}, "say --columns pos0=position", renamed("pos0", "position")),
        (pos1, 2, {}, "moved by -1: positions are one too high; mend the file", None),
    )
    with Genome(genome_folder / "genome.fa") as genome:
        for header, moved, options, advice, mended in cases:
            with pytest.raises(InputFileError, match=advice):
                sites_of_genome(genome_counts(moved, header=header, **options), genome)
            if mended is not None:
                right = genome_counts(moved, header=header, **mended)
                assert len(sites_of_genome(right, genome)[0]) == 50


def test_alleles_that_are_swapped(genome_folder, genome_counts):
    columns = {"ref": "alt", "alt": "ref"}
    with Genome(genome_folder / "genome.fa") as genome:
        with pytest.raises(
            InputFileError, match=r"REF and ALT are swapped: --columns ref=alt,alt=ref; see whether"
        ):
            sites_of_genome(genome_counts(swapped=50), genome)
        assert len(sites_of_genome(genome_counts(swapped=50, columns=columns), genome)[0]) == 50
        with pytest.raises(
            InputFileError, match=r"20 of 50 .* and 20 of them .* are swapped there.*mend these"
        ):
            sites_of_genome(genome_counts(swapped=20), genome)


def test_places_that_the_genome_lacks_are_counted(genome_folder, table):
    lines = [f"chr1 {p} A C 9 9" for p in range(9000, 9400)]
    with Genome(genome_folder / "genome.fa") as genome:
        letters = decode(genome.indices("chr1", 9000, 9400))
        lines = [x for x, base in zip(lines, letters, strict=True) if base == "A"]
        sites = read_sites(table(PLAIN, *lines, "chr1 60000 A C 9 9", "chrU 5 A C 9 9"))
        kept, gone = sites_of_genome(sites, genome)
    assert len(kept) == len(lines)
    assert gone == {"beyond the chromosome's end": 1, "on a chromosome that the genome lacks": 1}
