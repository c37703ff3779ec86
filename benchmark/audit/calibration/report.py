"""docs/calibration.md: what was simulated, what came out, and whether the bars hold; every figure from the journals."""

from collections.abc import Mapping, Sequence
from textwrap import fill

from scipy.stats import binomtest

from benchmark.audit.calibration import families
from benchmark.audit.calibration.families import ENOUGH, MORE_CANDIDATES, Choice, choose, errors
from benchmark.audit.calibration.rates import FULL, Bar, Rate, any_called, coverage, expected, judge, rate, rejections
from benchmark.audit.calibration.repetition import (
    ALL_PAIRS,
    AUC,
    AVERAGED,
    AWAY_FROM_CHANCE,
    BY_PATIENT,
    CORRECTED_T,
    EQUIVALENCE,
    FACTORS,
    HELD_OUT,
    MCNEMAR,
    NAIVE_T,
    ONE_PAIR,
    QUESTIONS,
    SHOWN_AUC,
    SIGN_FLIP,
    SITE_T,
    STACKED,
    TARGETS,
    WIDENED,
    WILCOXON,
    WITH_HOLM,
    Repetition,
    max_t,
)
from benchmark.audit.calibration.worlds import (
    CASES,
    DESCRIPTIONS,
    FAMILY_WORLDS,
    GAP_WORLDS,
    HOLDOUT_WORLD,
    LABEL_WORLDS,
    LEVEL_WORLDS,
    POSITIVES,
    POWER_WORLD,
    SITE_SPREAD,
    SITE_WORLD,
    WORLDS,
)
from benchmark.leaderboard.tables import grid
from benchmark.statistics import inflation
from benchmark.statistics.multiplicity import ALPHA

Results = Mapping[str, Sequence[Repetition]]

EVERY_FAMILY = (ALL_PAIRS, *QUESTIONS)
NAIVE = (NAIVE_T, WILCOXON, STACKED)
COPIES_TESTS = (NAIVE_T, CORRECTED_T, MCNEMAR)
PAIR_TESTS = (
    NAIVE_T,
    WILCOXON,
    CORRECTED_T,
    AWAY_FROM_CHANCE,
    AVERAGED,
    STACKED,
    BY_PATIENT,
    WIDENED,
    MCNEMAR,
)
OTHER_TESTS = ((SITE_WORLD, (SITE_T, SIGN_FLIP)), (HOLDOUT_WORLD, (HELD_OUT, MCNEMAR)))
ABSENT = "-"
WIDTH = 124

HEAD = """\
# Calibration

Written by `python -m benchmark calibrate`; not to be edited. Do the tests of [statistics.md](statistics.md) call a
difference where there is none, and do its intervals hold the truth? Each repetition draws fresh cases from a world whose
truth is known, cuts them by the protocol's own splits, trains, and hands the predictions to the leaderboard's own code.
Behind ± stands the Monte-Carlo standard error."""

SETTING = f"""\
{CASES} cases, {POSITIVES} of label 1 (by chance in `{SITE_WORLD}`), 5 folds under 4 seeds. Given the label, features are
independent normals with variance 1; signal features differ in mean between the classes, equally, and so that the best rule
on a method's signals has the AUC given here. Each method is a logistic regression with scikit-learn's penalty (C = 1; none
in `s3`) that learns from training and validation part together, as classical rows do, and votes at threshold .5. A linear
model's true AUC is then exact: Phi(w d / sqrt(2 w w)), w its weights, d the difference of the classes' means; the AUC
reached is that of the trained models, averaged. Numbers of signals and strengths were chosen once, for a reached AUC of
about .75 to .80 [A], and never adjusted to what came out. In `{SITE_WORLD}` d varies from site to site with SD
{SITE_SPREAD:g} for each method on its own. Only `{POWER_WORLD}` and the last four worlds have true differences."""

COVERAGE = """\
Share of 95 % intervals that hold the truth, both methods together. Upper table: the truth is the AUC (accuracy) that the
learning procedure reaches on average over all training parts, a row's own subject. Lower table: that of the very models
trained in the repetition. *As shown* is the leaderboard's interval. SD / sqrt(20), with t at 19 degrees of freedom, is
never shown."""

FAMILIES = """\
Equal methods, all pairs: how often is at least one pair called different at .05? Two rows near chance are never called
different (see [statistics.md](statistics.md)). c is what max-T multiplies the covariance of the AUCs by."""

LIMIT = f"{families.BAR:.3f}".removeprefix("0")
ONE_CONSTANT = f"""\
The constant is the least c that holds in every world: on one half of the repetitions ({ENOUGH} are needed) the one-sided
95 % upper bound of the error is at most {LIMIT}. The other half then tests it; a c that it refutes gives way to the next."""

QUESTION_FAMILIES = """\
Families that were named in advance are smaller, and have a constant of their own: one pair, three contrasts, one method
against all others. Each figure is the greatest of the three. A single step is used, so that p and interval agree."""

LABEL_FAMILIES = """\
The same with few labels in training; c may be greater here. One constant for all pairs and for families named in advance:
each figure is the greatest of the four."""

POWER = """\
Half the methods are better: which share of these true differences is found?"""

END_TO_END = """\
Eight copies of a registered method that differ only in their seed, on fresh cohorts (the dataset's seeds from 1001 on),
built, cut, trained and predicted as cells are, from the table alone. They are equal by construction and share all cases, so
they should be called different at most at the level: the first two, and any pair of the eight. This tries the whole path
(seeds, pairing, comparison) rather than the correction: with independent seeds even the naive t, shown beside it, keeps the
level here. In brackets the exact 95 % interval of the share."""


def document(results: Results, copies: Sequence[str]) -> str:
    """The document; `results` holds the finished repetitions by name, `copies` names those of the end-to-end part."""
    results = {name: repetitions for name, repetitions in results.items() if repetitions}
    sections = (
        ("", HEAD),
        ("", _summary(results, copies)),
        ("The bars", _bars(results, copies)),
        ("Calls of a difference at .05", _levels(results)),
        ("Sites and hold-out", _other_tests(results)),
        ("Coverage", _coverages(results)),
        ("Families", _families(results)),
        ("Families named in advance", _question_families(results)),
        ("Few labels", _label_families(results)),
        ("Power of families", _power(results)),
        ("End to end", _end_to_end(results, copies)),
        ("The worlds", _worlds(results)),
        ("How to reproduce", _reproduction(results, copies)),
    )
    return "\n\n".join((f"## {title}\n\n{text}" if title else text) for title, text in sections if text) + "\n"


def _summary(results: Results, copies: Sequence[str]) -> str:
    judged = judge(results, copies)
    if not judged:
        return "No bar can be judged: neither `s1` nor `s2` was simulated."
    failing = [f"{bar.test} in {bar.world} ({_figure(rate)})" for bar, rate in judged if not bar.holds(rate)]
    text = f"{len(judged) - len(failing)} of {len(judged)} bars hold"
    text += f"; failing: {'; '.join(failing)}." if failing else "."
    few = sum(rate.count < bar.enough for bar, rate in judged)
    if few:
        text += f" **Provisional:** {few} of them rest on fewer repetitions than they need ({FULL} of a world)."
    return fill(f"{text} {_beyond_the_level(results)}", WIDTH, break_on_hyphens=False)


def _beyond_the_level(results: Results) -> str:
    """Where the leaderboard's own p-values are too bold or its intervals too short, beyond doubt."""
    of_pair = {world: errors(results[world], ONE_PAIR, inflation.QUESTIONS) for world in LEVEL_WORLDS if world in results}
    others = {SITE_WORLD: SITE_T, HOLDOUT_WORLD: HELD_OUT}
    called = of_pair | {world: rejections(results[world], test) for world, test in others.items() if world in results}
    of_all = {world: errors(results[world], ALL_PAIRS, inflation.ALL_PAIRS) for world in FAMILY_WORLDS if world in results}
    covered = {
        world: coverage(results[world], SHOWN_AUC)
        for world in WORLDS
        if world in results and SHOWN_AUC in results[world][0].intervals
    }

    statements = []
    for statement, rates, sign, level in (
        ("Between equal methods the leaderboard's own p-value is below .05 too often", called, 1, ALPHA),
        ("in a family of equal methods it calls a difference more often than .05", of_all, 1, ALPHA),
        ("the AUC's 95 % interval holds the truth too seldom", covered, -1, 1.0 - ALPHA),
    ):
        worlds = [
            f"`{world}` ({_figure(rate)})" for world, rate in rates.items() if sign * (rate.value - level) > 2 * rate.error
        ]
        if worlds:
            statements.append(f"{statement} in {', '.join(worlds)}")
    if not statements:
        return "In no null world are tests too bold or intervals too short by more than two Monte-Carlo errors."
    return (
        f"**By more than two Monte-Carlo errors**: {'; '.join(statements)}. There training depends much on the sample, and "
        "p-values near the threshold deserve caution."
    )


def _bars(results: Results, copies: Sequence[str]) -> str:
    rows = [(bar.world, bar.test, _range(bar), _figure(rate), _verdict(bar, rate)) for bar, rate in judge(results, copies)]
    return _table("", ("world", "test", "share called different must be", "found", ""), rows)


def _verdict(bar: Bar, rate: Rate) -> str:
    few = f" (too few repetitions: {rate.count} of {bar.enough})" if rate.count < bar.enough else ""
    return ("holds" if bar.holds(rate) else "**fails**") + few


def _range(bar: Bar) -> str:
    if bar.low == 0:
        return f"at most {_short(bar.high)}"
    return f"at least {_short(bar.low)}" if bar.high == 1 else f"{_short(bar.low)} to {_short(bar.high)}"


def _levels(results: Results) -> str:
    worlds = [name for name in (*LEVEL_WORLDS, POWER_WORLD) if name in results]

    def cell(test: str, world: str) -> str:
        figure = _figure(rejections(results[world], test))
        return f"({figure})" if world == POWER_WORLD and test in NAIVE else figure

    power, exception = "", "."
    if POWER_WORLD in worlds:
        first, second = map(_short, expected(results[POWER_WORLD], AUC))
        power = (
            f" But in `{POWER_WORLD}`, where the true AUCs are {first} and {second}, it is the power: in brackets that of "
            "tests which do not keep the level."
        )
        exception = f": rightly, but in `{POWER_WORLD}`."
    text = (
        f"The methods are equal, so each share should be at most .05.{power} The last row is how often the leaderboard would "
        f"say that the two are equal within .01{exception} With so few cases that is hardly ever said, so this does not "
        "validate the rule."
    )
    rows = [(test, *(cell(test, world) for world in worlds)) for test in PAIR_TESTS]
    headline = f"repeated-CV DeLong x {inflation.QUESTIONS:g}, t (the leaderboard, one named pair)"
    rows.append((headline, *(_figure(errors(results[world], ONE_PAIR, inflation.QUESTIONS)) for world in worlds)))
    rows.append((EQUIVALENCE, *(_figure(any_called(results[world], EQUIVALENCE)) for world in worlds)))
    return _table(fill(text, WIDTH, break_on_hyphens=False), ("test", *worlds), rows)


def _other_tests(results: Results) -> str:
    rows = [
        (world, test, _figure(rejections(results[world], test)))
        for world, tests in OTHER_TESTS
        if world in results
        for test in tests
    ]
    return _table("", ("world", "test", "called different at .05"), rows)


def _coverages(results: Results) -> str:
    worlds = [name for name in (*LEVEL_WORLDS, POWER_WORLD, SITE_WORLD, HOLDOUT_WORLD) if name in results]

    def cell(kind: str, world: str, of_own_models: bool) -> str:
        computed = kind in results[world][0].intervals
        return _figure(coverage(results[world], kind, of_own_models)) if computed else ABSENT

    tables = (
        _table(text, ("interval", *worlds), [(kind, *(cell(kind, world, own) for world in worlds)) for kind in TARGETS])
        for text, own in ((COVERAGE, False), ("", True))
    )
    return "\n\n".join(filter(None, tables))


def choices(results: Results) -> dict[str, tuple[Choice, float]]:
    """What the repetitions choose for each constant that is shipped, beside it."""
    chosen = {
        "all pairs": (choose(results, FAMILY_WORLDS, [ALL_PAIRS]), inflation.ALL_PAIRS),
        "families named in advance": (choose(results, FAMILY_WORLDS, QUESTIONS), inflation.QUESTIONS),
        "few labels": (choose(results, LABEL_WORLDS, EVERY_FAMILY, MORE_CANDIDATES), inflation.FEW_LABELS),
    }
    return {name: pair for name, pair in chosen.items() if pair[0].worst or pair[0].open_worlds}


def _chosen(results: Results, name: str) -> str:
    """Which constant the halves of the repetitions choose, whether the other halves confirm it, and what is shipped."""
    if name not in choices(results):
        return ""
    choice, shipped = choices(results)[name]
    refuted = " and ".join(f"{each:g}" for each in choice.refuted)
    text = f"One half would choose {refuted}, which the other refutes. " if refuted else ""
    if choice.inflation is None:
        text += "No c can be chosen."
    else:
        text += (
            f"c = {choice.inflation:g} holds on both halves; the greatest bound on the second is {_short(choice.bound)} "
            f"(`{choice.worst}`). The leaderboard uses {shipped:g}."
        )
    if choice.open_worlds:
        text += f" No c tried holds {', '.join(f'`{world}`' for world in choice.open_worlds)}."
    return fill(text, WIDTH, break_on_hyphens=False)


def _errors(results: Results, worlds: Sequence[str], named: Sequence[str], candidates: Sequence[float]) -> str:
    head = ("world", "AUC reached", WITH_HOLM, *(f"max-T, c = {c:g}" for c in (1.0, *candidates)))
    rows = [
        (
            name,
            _short(float(expected(results[name], AUC).mean())),
            _figure(any_called(results[name], WITH_HOLM)),
            *(
                _figure(max((errors(results[name], family, c) for family in named), key=lambda found: found.value))
                for c in (1.0, *candidates)
            ),
        )
        for name in worlds
        if name in results
    ]
    return _table("", head, rows)


def _section(text: str, table: str, verdict: str) -> str:
    return "\n\n".join(filter(None, (text, table, verdict))) if table else ""


def _families(results: Results) -> str:
    table = _errors(results, FAMILY_WORLDS, [ALL_PAIRS], FACTORS)
    return _section(fill(f"{FAMILIES} {ONE_CONSTANT}", WIDTH, break_on_hyphens=False), table, _chosen(results, "all pairs"))


def _question_families(results: Results) -> str:
    table = _errors(results, FAMILY_WORLDS, QUESTIONS, FACTORS)
    return _section(QUESTION_FAMILIES, table, _chosen(results, "families named in advance"))


def _label_families(results: Results) -> str:
    table = _errors(results, LABEL_WORLDS, EVERY_FAMILY, MORE_CANDIDATES)
    return _section(LABEL_FAMILIES, table, _chosen(results, "few labels"))


def _power(results: Results) -> str:
    rows = []
    for name in (world for world in GAP_WORLDS if world in results):
        half = len(WORLDS[name].auc) // 2
        better, worse = (expected(results[name], AUC)[part].mean() for part in (slice(None, half), slice(half, None)))
        found = [rate([each.called[rule] / half**2 for each in results[name]]) for rule in (WITH_HOLM, *map(max_t, FACTORS))]
        rows.append((name, f"{_short(better)} and {_short(worse)}", str(half**2), *map(_figure, found)))
    head = ("world", "AUCs reached", "differences", WITH_HOLM, *(f"max-T, c = {c:g}" for c in FACTORS))
    return _table(POWER, head, rows)


def _end_to_end(results: Results, copies: Sequence[str]) -> str:
    rows = [
        (
            name,
            str(len(results[name])),
            *(_exact(rejections(results[name], test)) for test in COPIES_TESTS),
            _exact(errors(results[name], ONE_PAIR, inflation.QUESTIONS)),
            _exact(errors(results[name], ALL_PAIRS, inflation.ALL_PAIRS)),
            _short(max(abs(difference) for each in results[name] for difference in each.differences)),
        )
        for name in copies
        if name in results
    ]
    return _table(
        END_TO_END,
        (
            "copies of",
            "cohorts",
            *COPIES_TESTS,
            "the leaderboard, one named pair",
            "the leaderboard, any pair of eight",
            "largest difference of AUCs",
        ),
        rows,
    )


def _exact(rate: Rate) -> str:
    """The share with its exact (Clopper-Pearson) interval."""
    called = round(rate.value * rate.count)
    low, high = map(_short, binomtest(called, rate.count).proportion_ci())
    return f"{called} of {rate.count} [{low}, {high}]"


def _worlds(results: Results) -> str:
    rows = []
    for name, world in WORLDS.items():
        repetitions = results.get(name, ())
        reached = sorted({_short(auc) for auc in expected(repetitions, AUC)}, reverse=True) if repetitions else [ABSENT]
        best = " and ".join(dict.fromkeys(_short(auc) for auc in world.auc))
        between = " and ".join(reached) if len(reached) < 3 else f"{reached[-1]} to {reached[0]}"
        count = str(len(repetitions)) if repetitions else "not simulated"
        rows.append((f"`{name}`", DESCRIPTIONS[name], best, between, count))
    return _table(SETTING, ("world", "what it is", "best AUC", "AUC reached", "repetitions"), rows)


def _reproduction(results: Results, copies: Sequence[str]) -> str:
    simulated, cohorts = (max((len(results.get(name, ())) for name in names), default=0) for names in (WORLDS, copies))
    return f"""\
```sh
python -m benchmark calibrate --repetitions {simulated} --cohorts {cohorts}
```

Each repetition has a random stream of its own, from the world's name and the repetition's number, so neither `--jobs` nor
an interruption changes a figure. Finished repetitions are kept in `results/calibration/`, and computed anew when the code
that decides them changes. `--world s1 --output FILE` computes one world; a document holds all that is finished. A short
run is a test: `tests/statistics/test_level.py`."""


def _table(text: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table below its text; nothing where there is no row, or no column but the first."""
    return "\n\n".join(filter(None, (text, grid(head, rows)))) if rows and len(head) > 1 else ""


def _figure(rate: Rate) -> str:
    """`.051 ± .008`."""
    return f"{_short(rate.value)} ± {_short(rate.error)}"


def _short(value: float) -> str:
    """Three decimals without the leading zero."""
    return f"{value:.3f}".removeprefix("0")
