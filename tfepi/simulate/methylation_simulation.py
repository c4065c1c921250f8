"""Write a simulated genome with methylation, variants, people of two ancestries and a trait."""

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pysam

from tfepi.simulate import methylation_haplotypes as haplotypes
from tfepi.simulate.methylation import BLOOD, BRAIN, HIPPOCAMPUS, TISSUES
from tfepi.simulate.methylation_array import (
    Probes,
    betas_of_people,
    choose_probes,
    make_probes,
)
from tfepi.simulate.methylation_contig import Contig, make_contig
from tfepi.simulate.methylation_gwas import (
    find_loci,
    one_dosage,
    run_gwas,
)
from tfepi.simulate.methylation_mqtl import HEADER as MQTL_HEADER
from tfepi.simulate.methylation_mqtl import associate, mqtl_lines
from tfepi.simulate.methylation_sequence import make_methylated_chromosome
from tfepi.simulate.methylation_settings import (
    ARRAY_STREAM,
    HAPLOTYPE_STREAM,
    MQTL_STREAM,
    MethylationSimulation,
)
from tfepi.simulate.methylation_trait import (
    choose_causal,
    identifiers,
    write_cohort,
    write_phenotypes,
)
from tfepi.simulate.methylation_truth import genome_truth, trait_truth
from tfepi.simulate.methylation_variants import (
    Landscape,
    largest,
)
from tfepi.simulate.methylation_writing import (
    CREDIBLE_HEADER,
    GWAS_HEADER,
    LOCI_HEADER,
    VARIANT_INFO,
    Named,
    bedmethyl_lines,
    credible_lines,
    draw_reads,
    effects_header,
    effects_line,
    genotype_lines,
    gwas_lines,
    loci_lines,
    manifest_lines,
    matrix_lines,
    sample_table,
    text_gz,
    variant_lines,
    vcf_header,
)
from tfepi.simulate.motifs import ALL_MOTIFS
from tfepi.simulate.sequence import Chromosome, make_repeat
from tfepi.simulate.settings import GENOME_STREAM, TRACK_STREAM, VARIANT_STREAM
from tfepi.simulate.writing import genome_files, text_file, write_spans
from tfrecords_tools.files import write_json, write_text
from tfrecords_tools.progress import progress

ARRAY_TISSUES = (BRAIN, BLOOD)
FACTOR_SPREAD = 0.15
COHORTS = {"discovery": 0, "target": 0, "other": 1}  # ancestry of each
_REGIONS = {"gaps": "gaps", "unmappable": "repeats"}


def simulate_methylation(
    folder: str | os.PathLike, settings: MethylationSimulation, quiet: bool = False
) -> None:
    """Write a genome, its methylation, variants with effects, people, associations and the truth.

    The same settings give the same bytes.

    Args:
        folder: an existing folder to write into.
        settings: what to simulate.
        quiet: no progress bar.
    """
    folder = Path(folder)
    for name in ("wgbs", "array", "cohort"):
        (folder / name).mkdir(exist_ok=True)
    contigs, probes = _genome(folder, settings, quiet)
    factors = _array(folder, contigs, probes, settings)
    _mqtl(folder, contigs, probes, settings, quiet)
    trait = _trait(folder, contigs, settings, quiet)
    truth = genome_truth(settings, contigs, probes, factors)
    write_json(folder / "truth.json", truth | {"trait": trait})


def _genome(
    folder: Path, settings: MethylationSimulation, quiet: bool
) -> tuple[list[Contig], list[Probes]]:
    """Write sequence, WGBS, variants and their effects; return the chromosomes and the array."""
    contigs: list[Contig] = []
    probes: list[Probes] = []
    repeat = make_repeat(settings.rng(GENOME_STREAM))
    variants = measured = 0
    with contextlib.ExitStack() as stack:
        write_genome = stack.enter_context(genome_files(folder, _REGIONS))
        islands_bed = stack.enter_context(text_file(folder / "islands.bed"))
        wgbs = stack.enter_context(text_gz(folder / "wgbs/hippocampus.bedmethyl.gz"))
        effects = stack.enter_context(text_file(folder / "effects.tsv"))
        vcf = stack.enter_context(text_file(folder / "variants.vcf"))
        effects.write(effects_header().encode())
        vcf.write(vcf_header(settings.lengths, VARIANT_INFO).encode())
        bar = progress(
            list(settings.lengths.items()), unit="chromosome", label="genome", quiet=quiet
        )
        for number, (name, length) in enumerate(bar):
            rng = settings.rng(GENOME_STREAM, number)
            chromosome, islands = make_methylated_chromosome(name, length, rng, repeat)
            landscape = Landscape.of(chromosome.indices)
            write_genome(chromosome, landscape.sites)
            write_spans(islands_bed, name, islands)
            wgbs.write(_wgbs(chromosome, landscape, settings, number))
            count = settings.variants_up_to(number + 1) - variants
            rngs = tuple(settings.rng(s, number) for s in (VARIANT_STREAM, HAPLOTYPE_STREAM))
            contig = make_contig(name, landscape, count, variants, rngs)
            vcf.write(variant_lines(contig).encode())
            effects.write(_effects(contig).encode())
            chosen = choose_probes(landscape, settings.rng(ARRAY_STREAM, number))
            contigs.append(contig)
            probes.append(make_probes(contig, chosen, measured))
            variants += len(contig.variants)
            measured += len(chosen)
    table = sample_table(
        HIPPOCAMPUS.name, "hippocampus.bedmethyl.gz", "bedmethyl", "", "simulated WGBS"
    )
    write_text(folder / "wgbs/samples.txt", table)
    return contigs, probes


def _wgbs(
    chromosome: Chromosome, landscape: Landscape, settings: MethylationSimulation, number: int
) -> str:
    cpgs = landscape.cpgs
    readable = np.ones(chromosome.length, bool)
    for start, end in chromosome.repeats.tolist():
        readable[start:end] = False
    reads = draw_reads(
        HIPPOCAMPUS.betas(landscape.features),
        readable[cpgs],
        settings.depth,
        settings.rng(TRACK_STREAM, number),
    )
    return bedmethyl_lines(chromosome.name, cpgs, *reads)


def _effects(contig: Contig) -> str:
    return "".join(
        effects_line(
            contig.name, name, v, e, tuple(largest(contig.landscape, e, t) for t in TISSUES)
        )
        for name, v, e in zip(contig.identifiers, contig.variants, contig.effects, strict=True)
    )


def _array(
    folder: Path, contigs: list[Contig], probes: list[Probes], settings: MethylationSimulation
) -> np.ndarray:
    """Write the subjects' genotypes and betas; return their factors: float64 [subjects, motifs]."""
    names = identifiers("subject", settings.subjects)
    shape = (settings.subjects, len(ALL_MOTIFS))
    factors = np.exp(FACTOR_SPREAD * settings.rng(ARRAY_STREAM).standard_normal(shape))
    genotypes = '##FORMAT=<ID=GT,Number=1,Type=String,Description="Phased genotype">\n'
    with contextlib.ExitStack() as stack:
        vcf = stack.enter_context(text_gz(folder / "subjects.vcf.gz"))
        manifest = stack.enter_context(text_file(folder / "array/manifest.csv"))
        matrices = [
            stack.enter_context(text_gz(folder / f"array/betas_{t.name}.tsv.gz"))
            for t in ARRAY_TISSUES
        ]
        vcf.write(vcf_header(settings.lengths, genotypes, names))
        manifest.write(b"IlmnID,Name,Genome_Build,CHR,MAPINFO,Strand\n")
        for matrix in matrices:
            matrix.write("\t".join(["IlmnID", *names]) + "\n")
        for number, (contig, on) in enumerate(zip(contigs, probes, strict=True)):
            rng = settings.rng(ARRAY_STREAM, number, 1)
            carried = haplotypes.people(contig.pools[0], contig.genetic, settings.subjects, rng)
            vcf.write(genotype_lines(contig, carried))
            manifest.write(manifest_lines(contig.name, on).encode())
            for tissue, matrix in zip(ARRAY_TISSUES, matrices, strict=True):
                betas = betas_of_people(on, carried, tissue, factors)
                matrix.write(matrix_lines(on, betas, rng))
    pysam.tabix_index(str(folder / "subjects.vcf.gz"), preset="vcf", force=True)
    for tissue in ARRAY_TISSUES:
        file, what = f"betas_{tissue.name}.tsv.gz", f"simulated array, {settings.subjects} subjects"
        table = sample_table(tissue.name, file, "array", "manifest.csv", what)
        write_text(folder / f"array/{tissue.name}.txt", table)
    return factors


def _mqtl(
    folder: Path,
    contigs: list[Contig],
    probes: list[Probes],
    settings: MethylationSimulation,
    quiet: bool,
) -> None:
    tests: dict[str, list] = {t.name: [] for t in ARRAY_TISSUES}
    bar = progress(contigs, unit="chromosome", label="mQTLs", quiet=quiet)
    for number, contig in enumerate(bar):
        rng = settings.rng(MQTL_STREAM, number)
        carried = haplotypes.people(contig.pools[0], contig.genetic, settings.mqtl_people, rng)
        for tissue in ARRAY_TISSUES:
            found = associate(contig, probes[number], carried, tissue, rng)
            tests[tissue.name].append(found)
    lines = [r for t in ARRAY_TISSUES for r in mqtl_lines(contigs, probes, tests[t.name], t)]
    lines.sort(key=lambda row: row[:2])
    write_text(folder / "mqtl.tsv", MQTL_HEADER + "".join(text for *_, text in lines))


def _trait(
    folder: Path, contigs: list[Contig], settings: MethylationSimulation, quiet: bool
) -> dict:
    """Write the cohorts and the trait's associations; return the truth about it."""
    causal = choose_causal(contigs, settings)
    cohort = folder / "cohort"
    values = {
        name: write_cohort(
            cohort, name, ancestry, getattr(settings, name), contigs, causal, settings, quiet
        )
        for name, ancestry in COHORTS.items()
    }
    spread = values["discovery"].std()
    scale = float(np.sqrt(settings.heritability) / spread) if spread else 0.0
    causal = [replace(c, effect=scale * c.effect) for c in causal]
    trait = {
        name: write_phenotypes(cohort, name, scale * v, settings) for name, v in values.items()
    }
    bed = cohort / "discovery.bed"
    gwas = run_gwas(bed, trait["discovery"], quiet)
    chroms = np.repeat(np.arange(len(contigs)), [len(c.variants) for c in contigs])[gwas.variant]
    positions = np.concatenate([c.positions for c in contigs])[gwas.variant]
    loci = find_loci(
        gwas,
        chroms,
        positions,
        list(settings.lengths.values()),
        lambda k: one_dosage(bed, int(gwas.variant[k])),
    )
    named = Named(contigs)
    with text_gz(folder / "gwas.tsv.gz") as handle:
        handle.write(GWAS_HEADER)
        for line in gwas_lines(gwas, named, settings.discovery):
            handle.write(line)
    credible = "".join(credible_lines(loci, gwas, named))
    write_text(folder / "credible.tsv", CREDIBLE_HEADER + credible)
    write_text(folder / "loci.tsv", LOCI_HEADER + "".join(loci_lines(loci, gwas, contigs, causal)))
    return trait_truth(causal, {n: scale * v for n, v in values.items()}, trait, len(loci), scale)
