import gzip

import pysam
import pytest

from tfepi.variants.vcf import chunks, header_text, read_variants
from tfrecords_tools.errors import InputFileError

HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def line(pos, chrom="chrA", rest="rs\tA\tC\t.\t.\t."):
    return f"{chrom}\t{pos}\t{rest}\n"


@pytest.fixture
def text(tmp_path):
    def write(body: str, header: str = HEADER):
        path = tmp_path / "in.vcf"
        path.write_text(header + body)
        return path

    return write


@pytest.mark.parametrize("name", ["in.vcf", "x.vcf.gz", "x.bcf"])
def test_all_kinds_give_the_same_variants(make_vcf, rows, name):
    found = list(read_variants(make_vcf(rows, name)))
    assert [v.row for v in found] == list(range(len(rows)))
    for variant, (chrom, pos, identifier, ref, alt) in zip(found, rows, strict=True):
        assert (variant.chrom, variant.position, variant.id) == (chrom, pos - 1, identifier)
        assert (variant.ref, ",".join(variant.alts)) == (ref, alt)


def test_symbolic_and_absent_alleles_are_kept_as_written(text):
    path = text(line(5, rest=".\tA\t<DEL>,*\t.\t.\tEND=9") + line(5, rest=".\tA\t.\t.\t.\t."))
    first, second = read_variants(path)
    assert first.alts == ("<DEL>", "*")
    assert second.alts == ()
    assert str(first) == "chrA:5"


def test_header_text(text):
    assert header_text(text(line(5))).splitlines()[-1].startswith("#CHROM\tPOS")


def test_chunks_cover_all(vcf, rows):
    sizes = [len(c) for c in chunks(read_variants(vcf), 10)]
    assert sum(sizes) == len(rows)
    assert set(sizes[:-1]) == {10}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (line(9) + line(5), "not sorted: record 2 has position 5 after 9 on chrA"),
        (line(9) + line(1, "chrB") + line(10), "record 3 returns to chromosome chrA"),
        (line(9) + "chrA\t10\trs\n", "line 4 has 3 columns separated by tabs, want at least 8"),
        (line(9) + "chrA 10 rs A C . . .\n", "line 4 has 1 columns separated by tabs"),
        (line("x"), "line 3 has POS 'x', want a whole number"),
        (line(9) + "\n" + line(10), "line 4 is empty: remove it"),
        (line(9) + "chrA\t10\trs\tA\tC\t.\t.\t.", "truncated: its last line has no line end"),
    ],
)
def test_bad_lines(text, body, message):
    with pytest.raises(InputFileError, match=message):
        list(read_variants(text(body)))


def test_same_position_twice_is_sorted(text):
    assert len(list(read_variants(text(line(9) + line(9))))) == 2


def test_a_model_is_no_vcf(tmp_path):
    (tmp_path / "model.h5").write_bytes(b"\x89HDF\r\n\x1a\n\0\0 and no line end")
    with pytest.raises(InputFileError, match=r"model.h5 is no VCF or BCF: want a first line"):
        list(read_variants(tmp_path / "model.h5"))


@pytest.mark.parametrize("header", ["", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"])
def test_no_header(text, header):
    with pytest.raises(InputFileError, match=r"is no VCF or BCF: want a first line '##fileform"):
        list(read_variants(text(line(5), header)))


def test_missing_and_empty(tmp_path):
    with pytest.raises(InputFileError, match="does not exist"):
        list(read_variants(tmp_path / "no.vcf"))
    (tmp_path / "empty.vcf").touch()
    with pytest.raises(InputFileError, match="is empty"):
        list(read_variants(tmp_path / "empty.vcf"))


def test_gzip_is_not_bgzip(tmp_path):
    path = tmp_path / "in.vcf.gz"
    path.write_bytes(gzip.compress((HEADER + line(5)).encode()))
    with pytest.raises(InputFileError, match="is gzip-compressed: recompress it"):
        list(read_variants(path))


@pytest.mark.parametrize("name", ["x.vcf.gz", "x.bcf"])
def test_truncated_compressed(make_vcf, rows, name):
    path = make_vcf(rows, name)
    whole = path.read_bytes()
    for cut in (1, 28, 40, len(whole) // 2):
        path.write_bytes(whole[:-cut])
        with pytest.raises(InputFileError, match="truncated: the end marker of bgzip is missing"):
            list(read_variants(path))


@pytest.mark.parametrize("name", ["x.vcf.gz", "x.bcf"])
def test_damaged_inside(make_vcf, letters, name):
    many = [("chrA", p, f"identifier{p * 7919 % 4999}", "A", "C") for p in range(1, 4900)]
    path = make_vcf(many, name)
    whole = bytearray(path.read_bytes())
    middle = len(whole) * 2 // 3
    whole[middle : middle + 2000] = bytes(2000)
    path.write_bytes(whole)
    with pytest.raises(InputFileError, match=rf"{name}.*(truncated or damaged|line \d+)"):
        list(read_variants(path))


def test_htslib_stays_silent_and_its_verbosity_returns(text, capfd):
    before = pysam.get_verbosity()
    list(read_variants(text(line(5, rest="rs\tA\tC\t.\tQ9\tXX=1"))))
    assert pysam.get_verbosity() == before
    assert capfd.readouterr().err == ""
