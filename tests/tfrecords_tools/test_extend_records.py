import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam
import pytest

from tfrecords_tools import extend_records
from tfrecords_tools.data import Data
from tfrecords_tools.data_writer import DataWriter
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.extend_records import ExtendOptions, extend
from tfrecords_tools.intervals import Interval
from tfrecords_tools.records import sequence_features
from tfrecords_tools.rewindow import RewindowOptions, rewindow
from tfrecords_tools.targets import Target
from tfrecords_tools.validate import validate
from tfrecords_tools.windows import Windowing

ROOT = Path(__file__).parents[2]
BED = "sequences.bed"
STEP, LENGTH = 600, 7200  # of the windows of `records`, and of their chromosome


def plainly(letters: str, low: int, high: int) -> list[int]:
    """Base indices of [low, high), letter by letter."""
    found = []
    for at in range(low, high):
        base = letters[at].upper() if 0 <= at < len(letters) else "N"
        found.append("ACGT".find(base) if base in "ACGT" else 4)
    return found


def write_fasta(path: Path, **chroms: str) -> Path:
    with path.open("w") as handle:
        for name, letters in chroms.items():
            lines = [letters[low : low + 70] for low in range(0, len(letters), 70)]
            handle.write("\n".join((f">{name}", *lines, "")))
    return path


@pytest.fixture
def records(write_records, tmp_path):
    """Return a function that writes records and their FASTA: (data, letters of chr1, FASTA).

    The first sequence begins with the chromosome, the last one ends 88 bp before its end. What is
    N in a record is N, n or R there; every second base is in lower case.
    """

    def make(**changes):
        rng = np.random.default_rng(11)
        data = write_records(starts=[64 + STEP * row for row in range(12)], **changes)
        letters = rng.choice(list("ACGTN"), LENGTH)
        for label in data.labels:
            for window, sequence in zip(data.windows(label), data.arrays(label)[0], strict=True):
                low = window.start - 64
                letters[low : low + 512] = np.array(list("ACGTN"))[sequence]
        unknown = letters == "N"
        letters[unknown] = rng.choice(list("NnR"), unknown.sum())
        text = "".join(c.lower() if i % 2 and c in "ACGT" else c for i, c in enumerate(letters))
        return data, text, write_fasta(tmp_path / "genome.fa", chr0="ACGT" * 9, chr1=text)

    return make


def check(made: Data, data: Data, chroms: dict[str, str]) -> None:
    """Targets and windows are those of `data`, each sequence that of the genome around them."""
    assert made.labels == data.labels
    for label in data.labels:
        assert made.windows(label) == data.windows(label)
        sequences, targets = made.arrays(label)
        np.testing.assert_array_equal(targets, data.arrays(label)[1])
        margin = made.crop_bp
        for window, sequence in zip(made.windows(label), sequences, strict=True):
            wanted = plainly(chroms[window.chrom], window.start - margin, window.end + margin)
            assert sequence.tolist() == wanted
    assert not validate(made.folder, quiet=True).count("error")


@pytest.mark.parametrize("source", ["index", "packed", "onehot"])
def test_sequences_grow_at_both_ends(records, tmp_path, source):
    data, letters, fasta = records(encoding=source)
    for encoding in (None, "index", "packed", "onehot"):
        out = tmp_path / str(encoding)
        options = ExtendOptions(768, str(fasta), encoding, records_per_shard=5)
        manifest = extend(data, out, options, quiet=True)
        made = Data.open(out)
        assert made.encoding == (encoding or source)
        assert made.compressed == (made.encoding != "packed")
        assert (made.seq_length, made.crop_bp, made.target_length) == (768, 192, 24)
        check(made, data, {"chr1": letters})
        assert [s["file"] for s in manifest["shards"]] == [
            "train-0.tfr",
            "train-1.tfr",
            "valid-0.tfr",
        ]
        assert manifest["source"] == {
            "folder": str(data.folder),
            "masked_bases": 0,
            "masked_records": 0,
            "beyond_ends": 2,
        }
        assert manifest["options"]["labels"] == ["train", "valid"]
        assert manifest["inputs"]["fasta"]["sha256"]
        assert json.loads((out / "manifest.json").read_text()) == manifest


def test_what_is_built_grows_too(small_data, genome_folder, genome_values, tmp_path, caplog):
    """A folder of tfepi_data.py with several chromosomes, shuffled; a bgzip gives the same."""
    data = Data.open(small_data)
    packed = tmp_path / "genome.fa.gz"
    pysam.tabix_compress(str(genome_folder / "genome.fa"), str(packed))
    caplog.set_level("INFO")
    for number, fasta in enumerate((genome_folder / "genome.fa", packed)):
        extend(data, tmp_path / str(number), ExtendOptions(1000, str(fasta)), quiet=True)
        check(Data.open(tmp_path / str(number)), data, genome_values[0])
    assert "sequences reach beyond the ends of their chromosomes" in caplog.text
    assert "stay N" not in caplog.text
    for path in sorted((tmp_path / "0/tfrecords").iterdir()):
        assert path.read_bytes() == (tmp_path / "1/tfrecords" / path.name).read_bytes()


def test_the_same_input_gives_the_same_bytes(records, tmp_path):
    data, _, fasta = records()
    for name in ("a", "b"):
        extend(data, tmp_path / name, ExtendOptions(640, str(fasta)), quiet=True)
    names = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert len(names) == 8  # with its two shards, run.json and .tfepi
    for name in names:
        if name.name != "run.json":
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_as_long_as_before_is_a_check_against_the_genome(records, tmp_path):
    data, _, fasta = records()
    extend(data, tmp_path / "out", ExtendOptions(512, str(fasta)), ["valid"], quiet=True)
    made = Data.open(tmp_path / "out")
    assert made.counts == {"valid": 3}
    for ours, theirs in zip(made.arrays("valid"), data.arrays("valid"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_windows_that_are_listed_with_their_crop(records, tmp_path):
    """As the original tools did until 2021."""
    data, letters, fasta = records()
    rows = [r.split("\t") for r in (data.folder / BED).read_text().splitlines()]
    text = "".join(f"{c}\t{int(s) - 64}\t{int(e) + 64}\t{n}\n" for c, s, e, n in rows)
    before = (data.folder / BED).read_text()
    (data.folder / BED).write_text(text)
    extend(data, tmp_path / "out", ExtendOptions(768, str(fasta)), quiet=True)
    assert (tmp_path / "out" / BED).read_text() == before
    check(Data.open(tmp_path / "out"), data, {"chr1": letters})


def test_bases_that_were_masked_stay_so(records, tmp_path, caplog):
    data, letters, fasta = records()
    at = [i for i in range(STEP, STEP + 512) if letters[i] in "NnR"][:20]
    whole = "".join("A" if i in at else c for i, c in enumerate(letters))
    write_fasta(fasta, chr1=whole)
    manifest = extend(data, tmp_path / "out", ExtendOptions(768, str(fasta)), quiet=True)
    assert "20 bases of 1 record are N there but not in " in caplog.text
    assert (manifest["source"]["masked_bases"], manifest["source"]["masked_records"]) == (20, 1)
    row = Data.open(tmp_path / "out").arrays("train")[0][1]
    assert row[128:-128].tolist() == data.arrays("train")[0][1].tolist()
    assert row[:128].tolist() == plainly(whole, STEP - 128, STEP)
    assert row[-128:].tolist() == plainly(whole, STEP + 512, STEP + 640)


@pytest.mark.parametrize(
    ("base", "told"),
    [(None, "3 of its 512 bases"), ("N", r"3 of its 512 bases .* \(3 of them are N there\)")],
)
@pytest.mark.parametrize("at", [0, 254, 509])
def test_a_base_that_differs_is_refused(records, tmp_path, base, told, at):
    data, letters, fasta = records(change=lambda f, row: known(f) if row == 5 else f)
    low = 5 * STEP + at
    changed = "".join(base or "CGTA"["ACGT".find(c.upper())] for c in letters[low : low + 3])
    write_fasta(fasta, chr1=letters[:low] + changed + letters[low + 3 :])
    with pytest.raises(InputFileError, match=told) as error:
        extend(data, tmp_path / "out", ExtendOptions(768, str(fasta)), quiet=True)
    told = f"train-1.tfr record 1: {told[:1]} of its 512 bases at chr1:3000-3512 differ from FASTA "
    assert told in str(error.value)
    assert "another genome build" in str(error.value)
    assert not list((tmp_path / "out/tfrecords").iterdir())
    with pytest.raises(InputFileError, match="statistics"):
        Data.open(tmp_path / "out")


def known(features: dict[str, bytes]) -> dict[str, bytes]:
    """A record without N."""
    return features | {"sequence": features["sequence"].replace(b"\4", b"\2")}


def test_a_shifted_place_is_refused(records, tmp_path):
    data, _, fasta = records()
    bed = data.folder / BED
    bed.write_text(bed.read_text().replace("chr1\t64\t448", "chr1\t65\t449"))
    with pytest.raises(InputFileError, match=r"train-0.tfr record 0: \d+ of its 512 .*chr1:1-513"):
        extend(data, tmp_path / "out", ExtendOptions(768, str(fasta)), quiet=True)


def test_a_missing_row_is_told_before_the_genome_is_blamed(records, tmp_path, monkeypatch):
    """Of another tool's folder, which has no manifest that tells how many records there are."""
    data, _, fasta = records()
    (data.folder / "manifest.json").unlink()
    bed = data.folder / BED
    rows = bed.read_text().splitlines(keepends=True)
    bed.write_text("".join(rows[:3] + rows[4:]))
    options, found = ExtendOptions(768, str(fasta)), Data.open(data.folder)
    assert found.counts == {"train": 8, "valid": 3}
    told = "lists 8 windows of train, its shards hold 9 records: the places of the records are not"
    with pytest.raises(InputFileError, match=told):
        extend(found, tmp_path / "out", options, quiet=True)
    monkeypatch.setattr(extend_records, "_COUNTED_BYTES", 0)  # as if there were very many
    with pytest.raises(InputFileError, match=r"record 3: .* \(tfepi_records.py info counts both"):
        extend(found, tmp_path / "more", options, quiet=True)
    bed.write_text("".join(rows))  # then the genome is blamed
    monkeypatch.undo()
    write_fasta(fasta, chr1="A" * LENGTH)
    with pytest.raises(InputFileError, match=r"record 0: \d+ of its 512 bases .* another genome"):
        extend(Data.open(data.folder), tmp_path / "other", options, quiet=True)


def test_the_map_of_unmappable_bins_stays(records, tmp_path):
    data, _, fasta = records(change=lambda f, row: f | {"umap": bytes([row % 2] * 24)})
    extend(data, tmp_path / "out", ExtendOptions(768, str(fasta), "packed"), quiet=True)
    masks = [f["umap"] for _, _, f in Data.open(tmp_path / "out").frames("train")]
    assert masks == [bytes([row % 2] * 24) for row in range(9)]


def test_input_tracks_stay_where_they_cover_the_sequence(cell_data, genome_folder, tmp_path):
    """256 bp with tracks of 512 bp in bins of 8 bp."""
    fasta = str(genome_folder / "genome.fa")
    for length in (288, 512):
        extend(cell_data, tmp_path / str(length), ExtendOptions(length, fasta), quiet=True)
        made = Data.open(tmp_path / str(length))
        assert (made.tracks, made.track_width, made.track_length) == (cell_data.tracks, 8, 64)
        margin = (length - 256) // 2
        for (new, y, tracks), (old, old_y, old_tracks) in zip(
            made.records_with_tracks("test"), cell_data.records_with_tracks("test"), strict=True
        ):
            np.testing.assert_array_equal(new[margin : margin + 256], old)
            np.testing.assert_array_equal(y, old_y)
            np.testing.assert_array_equal(tracks, old_tracks)
    for length, message in (
        (528, r"-l is 528 bp, but the records' input tracks cover 512 bp .* use at most 512"),
        (264, r"-l is 264 bp, .* would be cut: use 512 less a multiple of 16"),
    ):
        with pytest.raises(ConfigError, match=message):
            extend(cell_data, tmp_path / "x", ExtendOptions(length, fasta), quiet=True)
    assert not (tmp_path / "x").exists()


def test_methylation_stays_on_its_cpg_with_its_reads(genome_values, genome_folder, tmp_path):
    letters = genome_values[0]["chr1"].upper()
    places = [i for i in range(50, 9000) if letters[i : i + 2] == "CG"][:40]
    targets = (Target(0, "a", sum_stat="mean"), Target(1, "b", sum_stat="mean"))
    (tmp_path / "m").mkdir()
    with DataWriter(
        tmp_path / "m", Windowing(41, 20, 1), targets, "packed", kind="methylation", coverage=True
    ) as writer:
        for row, at in enumerate(places):
            indices = np.array(plainly(letters, at - 20, at + 21), np.uint8)
            features = sequence_features(indices, "packed")
            features["target"] = np.float16([row / 40, np.nan]).tobytes()
            features["coverage"] = np.float16([row + 1, 0]).tobytes()
            writer.write("train", Interval("chr1", at, at + 1, "train"), features)
        writer.finish({"made_by": "test", "options": {}, "inputs": {}, "source": {}})
    data = Data.open(tmp_path / "m")
    fasta = str(genome_folder / "genome.fa")
    extend(data, tmp_path / "out", ExtendOptions(201, fasta), quiet=True)
    made = Data.open(tmp_path / "out")
    assert (made.kind, made.has_coverage, made.crop_bp) == ("methylation", True, 100)
    check(made, data, genome_values[0])
    for (*new, ours), (*old, theirs) in zip(
        made.frames("train"), data.frames("train"), strict=True
    ):
        assert made.sequence(ours, *new)[100:102].tolist() == [1, 2]
        np.testing.assert_array_equal(made.coverage(ours, *new), data.coverage(theirs, *old))
    with pytest.raises(ConfigError, match="-l is 202 bp, 161 more"):
        extend(data, tmp_path / "x", ExtendOptions(202, fasta), quiet=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seq_length": 510}, "-l is 510 bp, less than the records' 512: .*rewindow makes"),
        ({"seq_length": 515}, "-l is 515 bp, 3 more .* 512: an odd number .* use 514 or 516"),
        ({"seq_length": 14402}, "-l is 14402 bp, more than twice chr1, 7200 bp, the longest .* N"),
        ({"encoding": "onehote"}, r"unknown encoding 'onehote': did you mean 'onehot'\?"),
        ({"records_per_shard": 0}, "records per shard is 0"),
    ],
)
def test_refused_options(records, tmp_path, changes, message):
    data, _, fasta = records()
    with pytest.raises(ConfigError, match=message):
        extend(data, tmp_path / "out", replace(ExtendOptions(768, str(fasta)), **changes))
    assert not (tmp_path / "out").exists()


def test_places_that_are_not_in_the_genome(records, tmp_path):
    data, letters, fasta = records()
    options = ExtendOptions(768, str(fasta))
    bed = (data.folder / BED).read_text()
    for chroms, rows, message in (
        ({"chr2": letters}, bed, "has no chromosome 'chr1': it has chr2"),
        ({"1": letters}, bed, r"has no chromosome 'chr1' but has '1': .* the 'chr' prefix"),
        (
            {"chr1": letters[:7040]},
            bed,
            "window chr1:6664-7048 ends beyond chr1, which is 7040 bp in FASTA .*genome build",
        ),
        ({"chr1": letters}, bed.split("\n", 1)[1], "lists 8 windows of train, .* hold 9 records"),
        ({"chr1": letters}, bed.replace("\t448\t", "\t449\t"), r"window chr1:64-449 of 385 bp"),
    ):
        write_fasta(fasta, **chroms)
        (data.folder / BED).write_text(rows)
        with pytest.raises(InputFileError, match=message):
            extend(data, tmp_path / "out", options, quiet=True)
    write_fasta(fasta, chr1=letters)
    (data.folder / BED).unlink()
    with pytest.raises(InputFileError, match=r"has no sequences\.bed, which says where"):
        extend(data, tmp_path / "out", options, quiet=True)
    fasta.unlink()
    with pytest.raises(InputFileError, match=r"FASTA file .*genome\.fa does not exist"):
        extend(data, tmp_path / "out", options, quiet=True)
    assert not (tmp_path / "out").exists()


def test_windows_of_labels_left_out_may_lie_anywhere(records, tmp_path):
    data, letters, fasta = records()
    write_fasta(fasta, chr1=letters[:5500])
    extend(data, tmp_path / "out", ExtendOptions(768, str(fasta)), ["train"], quiet=True)
    assert Data.open(tmp_path / "out").counts == {"train": 9}


def test_a_chromosome_that_ends_inside_a_sequence_is_refused(records, tmp_path):
    """The window lies in it, bases of the record do not."""
    data, letters, fasta = records(change=lambda f, row: known(f) if row == 11 else f)
    write_fasta(fasta, chr1=letters[:7092])
    with pytest.raises(InputFileError, match=r"20 of its 512 .* \(20 of them are N there\)"):
        extend(data, tmp_path / "out", ExtendOptions(768, str(fasta)), quiet=True)


def test_refused_folders_and_labels(records, tmp_path):
    data, _, fasta = records()
    options = ExtendOptions(768, str(fasta))
    with pytest.raises(ConfigError, match=r"unknown label 'trian'.*did you mean 'train'"):
        extend(data, tmp_path / "out", options, ["trian"], quiet=True)
    with pytest.raises(ConfigError, match="overlap: name another"):
        extend(data, data.folder / "longer", options, quiet=True)
    extend(data, tmp_path / "out", options, quiet=True)
    with pytest.raises(UnfinishedError, match="has results"):
        extend(data, tmp_path / "out", options, quiet=True)
    inner = shutil.copy(fasta, tmp_path / "out/genome.fa")
    with pytest.raises(UnfinishedError, match=r"holds an input \(FASTA\), .*out/genome\.fa"):
        extend(data, tmp_path / "out", replace(options, fasta=str(inner)), overwrite=True)
    assert Path(inner).exists()
    extend(data, tmp_path / "out", options, ["valid"], overwrite=True, quiet=True)
    assert Data.open(tmp_path / "out").labels == ["valid"]


def test_the_command(run_script, records, tmp_path):
    data, letters, fasta = records()
    out, line = tmp_path / "long", ("extend", data.folder, "-f", fasta, "-q")
    done = run_script("tfepi_records.py", *line, "-o", out, "-l", 768, "--encoding", "packed")
    assert done.stdout == f"wrote {out}: 768 bp, 24 bins of 16 bp, 4 targets, 9 train, 3 valid\n"
    assert done.stderr == ""
    check(Data.open(out), data, {"chr1": letters})
    run = json.loads((out / "run.json").read_text())
    assert (run["outcome"], run["command"][:2]) == ("finished", ["tfepi_records.py", "extend"])
    assert set(run["inputs"]) == {
        *(f"data {name}" for name in ("statistics.json", "targets.txt", BED, "manifest.json")),
        "fasta",
    }
    again = ("-o", out, "-l", 768, "--overwrite", "--labels", "valid")
    assert "3 valid" in run_script("tfepi_records.py", *line, *again).stdout
    write_fasta(fasta, chr1=letters[::-1])
    for more, message in (
        (("-o", out, "-l", 768), "has results: use --overwrite"),
        (("-o", tmp_path / "x", "-l", 769), "an odd number cannot be halved"),
        (("-o", tmp_path / "x"), "required: -l"),
        (("-o", tmp_path / "x", "-l", 768), "differ from FASTA"),
    ):
        done = run_script("tfepi_records.py", *line, *more, check=False)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
        assert message in done.stderr


def test_training_reads_it_and_writing_needs_no_tensorflow(records, tmp_path):
    data, _, fasta = records()
    code = (
        "import runpy, sys\n"
        "sys.argv = sys.argv[1:]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "assert not {'tensorflow', 'keras', 'tfepi'} & set(sys.modules)\n"
    )
    out = tmp_path / "out"
    line = (ROOT / "scripts/tfepi_records.py", "extend", data.folder, "-f", fasta, "-l", "768")
    subprocess.run(
        [sys.executable, "-c", code, *line, "-o", out, "-q"],
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    from tfrecords_tools.dataset import eval_dataset

    made = Data.open(out)
    sequences, targets = made.arrays("train")
    row = 0
    for inputs, values in eval_dataset(made, "train", 4):
        assert inputs["sequence"].shape[1:] == (768, 4)
        for one, y in zip(inputs["sequence"].numpy(), values.numpy(), strict=True):
            np.testing.assert_array_equal(one, np.eye(5, 4)[sequences[row]])
            np.testing.assert_array_equal(y, targets[row].astype(np.float32))
            row += 1
    assert row == 9


def test_human_records_cut_short_get_their_own_bases_back(test_data, tmp_path):
    """131,072 bp to 98,304 bp and, from the FASTA of their windows, back; and on to 196,608 bp."""
    human, folder = test_data / "data/human", tmp_path / "records"
    folder.mkdir()
    (folder / "tfrecords").symlink_to(human / "basenji_records/tfrecords")
    for name in ("statistics.json", "targets.txt"):
        shutil.copyfile(human / "basenji_records" / name, folder / name)
    with open(human / "windows_contigs.tsv") as handle:
        contigs = {
            (r["chrom"], int(r["start"]) + int(r["signal_start"])): r
            for r in csv.DictReader(handle, delimiter="\t")
        }
    with (folder / BED).open("w") as handle:  # places in the FASTA's contigs, not in chromosomes
        for row in (human / "basenji_records" / BED).read_text().splitlines():
            chrom, start, _, label = row.split("\t")
            if label != "test":
                found = contigs[chrom, int(start)]
                fields = (found["contig"], found["signal_start"], found["signal_end"], label)
                handle.write("\t".join(fields) + "\n")
    data, fasta = Data.open(folder), str(human / "windows.fa.gz")
    options = RewindowOptions(98304, 32, 16384, shuffle_mib=0)
    rewindow(data, tmp_path / "short", options, ["valid"], quiet=True)
    short = Data.open(tmp_path / "short")
    extend(short, tmp_path / "back", ExtendOptions(131072, fasta), quiet=True)
    extend(data, tmp_path / "long", ExtendOptions(196608, fasta), ["valid"], quiet=True)
    back, long = Data.open(tmp_path / "back"), Data.open(tmp_path / "long")
    assert [long.seq_length, long.crop_bp, long.counts] == [196608, 65536, {"valid": 10}]
    sequences, targets = data.arrays("valid")
    for made in (back, long):
        assert made.windows("valid") == data.windows("valid")
        np.testing.assert_array_equal(made.arrays("valid")[1], targets)
    np.testing.assert_array_equal(back.arrays("valid")[0], sequences)
    found = long.arrays("valid")[0]
    np.testing.assert_array_equal(found[:, 32768:-32768], sequences)
    assert (found[:, :32768] == 4).all()
    assert (found[:, -32768:] == 4).all()
