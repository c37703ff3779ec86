"""`fetch NAME`: download the source files of a dataset or corpus, verify them and prepare it."""

from benchmark.cli.progress import ConsoleReporter
from benchmark.cli.selection import Options, argument, at_least

ARGUMENTS = (
    argument("name", metavar="NAME", help="a dataset or corpus, as `list` shows it"),
    argument("--mirror", metavar="DIR|URL", help="take the files from a folder or server laid out as <host>/<path> instead"),
    argument("--jobs", type=int, default=8, metavar="N", help="parallel downloads (default: %(default)s)"),
)


def run(options: Options) -> int:
    """Fetch and prepare; prints what lies where. Raises `BenchmarkError`."""
    from benchmark.data.corpora import load_corpus
    from benchmark.data.fetching import fetch, needs_files
    from benchmark.data.preparation import prepare
    from benchmark.registry.discovery import discover

    jobs = at_least("jobs", options.jobs, 1)
    catalogue = discover()
    entry = catalogue.with_sources(options.name).entry
    print(f"{entry.name}: licence {entry.card.license}", flush=True)
    if needs_files(entry.name):
        sources = fetch(entry.name, options.mirror, jobs, ConsoleReporter().progress)
        size = sum((sources.folder / file).stat().st_size for file in sources.files)
        print(f"{entry.name}: {len(sources.files)} files, {size:,} bytes, verified, in {sources.folder}")
    else:
        print(f"{entry.name}: needs no source files")
    if entry.kind == "corpus":
        corpus = load_corpus(options.name, catalogue)
        left_out = f"{corpus.empty:,} without a word and {corpus.repeated:,} that say the same again are left out"
        print(f"{entry.name}: {len(corpus.documents):,} documents, {corpus.words:,} words; {left_out}")
    else:
        prepare(options.name, catalogue)
    print(f"{entry.name}: prepared")
    return 0
