"""docs/calibration.md: what was simulated, what came out, and whether the bars hold; every figure from the journals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

from scipy.stats import binomtest

from benchmark.audit.calibration.drawing import CASES, POSITIVES, SITE_SPREAD
from benchmark.audit.calibration.rates import FULL, Bar, Rate, any_called, coverage, expected, judge, rejections
from benchmark.audit.calibration.trials import (
    AUC,
    AVERAGED,
    AWAY_FROM_CHANCE,
    BY_PATIENT,
    CORRECTED_T,
    DELONG_WITH_HOLM,
    EQUIVALENCE,
    HELD_OUT,
    MCNEMAR,
    NAIVE_T,
    SHOWN_AUC,
    SIGN_FLIP,
    SITE_T,
    STACKED,
    TARGETS,
    WIDENED,
    WILCOXON,
    WITH_HOLM,
    WITHOUT_HOLM,
    Trial,
)
from benchmark.audit.calibration.worlds import FAMILY_WORLDS, HOLDOUT_WORLD, LEVEL_WORLDS, POWER_WORLD, SAID, SITE_WORLD, WORLDS
from benchmark.leaderboard.tables import grid
from benchmark.statistics.multiplicity import ALPHA

Found = Mapping[str, Sequence[Trial]]

NAIVE = (NAIVE_T, WILCOXON, STACKED)
PAIR_TESTS = (NAIVE_T, WILCOXON, CORRECTED_T, AWAY_FROM_CHANCE, AVERAGED, STACKED, BY_PATIENT, WIDENED, MCNEMAR)
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
{SITE_SPREAD:g} for each method on its own. Only `{POWER_WORLD}` has a true difference."""

COVERAGE = """\
Share of 95 % intervals that hold the truth, both methods together. Upper table: the truth is the AUC (accuracy) that the
learning procedure reaches on average over all training parts, a row's own subject. Lower table: that of the very models
trained in the repetition. *As shown* is the leaderboard's interval. SD / sqrt(20), with t at 19 degrees of freedom, is
never shown."""

FAMILIES = """\
Eight equal methods, all 28 pairs: how often is at least one pair called different at .05? The bound for a method of
adjustment is .05; where the single test is too bold, no adjustment mends it."""

END_TO_END = """\
Two copies of a registered method that differ only in their seed, on fresh cohorts (the dataset's seeds from 1001 on),
built, cut, trained and predicted as cells are, from the table alone. They are equal by construction and share all cases, so
they should be called different at most at the level. This tries the whole path (seeds, pairing, comparison) rather than the
correction: with independent seeds even the naive t, shown beside it, keeps the level here. In brackets the exact 95 %
interval of the share."""


def document(found: Found, copies: Sequence[str]) -> str:
    """The document; `found` holds each study's finished repetitions, `copies` names those of the end-to-end part."""
    sections = (
        ("", HEAD),
        ("", _summary(found, copies)),
        ("The bars", _bars(found, copies)),
        ("Calls of a difference at .05", _levels(found)),
        ("Sites and hold-out", _others(found)),
        ("Coverage", _coverages(found)),
        ("Families", _families(found)),
        ("End to end", _end_to_end(found, copies)),
        ("The worlds", _worlds(found)),
        ("How to reproduce", _reproduction(found, copies)),
    )
    told = [(f"## {title}\n\n{text}" if title else text) for title, text in sections if text]
    return "\n\n".join(told) + "\n"


def _summary(found: Found, copies: Sequence[str]) -> str:
    judged = judge(found, copies)
    if not judged:
        return "No bar can be judged: neither `s1` nor `s2` was simulated."
    failing = [f"{_named(bar)} ({_figure(rate)})" for bar, rate in judged if not bar.holds(rate)]
    said = f"{len(judged) - len(failing)} of {len(judged)} bars hold" + (
        f"; failing: {'; '.join(failing)}." if failing else "."
    )
    few = [bar for bar, rate in judged if rate.count < bar.enough]
    if few:
        said += f" **Provisional:** {len(few)} of them rest on fewer repetitions than they need ({FULL} of a world)."
    return fill(f"{said} {_beyond_the_level(found)}", WIDTH, break_on_hyphens=False)


def _beyond_the_level(found: Found) -> str:
    """Where the leaderboard's own p-values are too bold or its intervals too short, beyond doubt."""
    headline = {**dict.fromkeys(LEVEL_WORLDS, CORRECTED_T), SITE_WORLD: SITE_T, HOLDOUT_WORLD: HELD_OUT}
    rates = {world: rejections(found[world], test) for world, test in headline.items() if found.get(world)}
    bold = [f"`{world}` ({_figure(rate)})" for world, rate in rates.items() if rate.value - 2 * rate.error > ALPHA]
    families = {world: any_called(found[world], WITH_HOLM) for world in FAMILY_WORLDS if found.get(world)}
    wide = [f"`{world}` ({_figure(rate)})" for world, rate in families.items() if rate.value - 2 * rate.error > ALPHA]
    covered = {
        world: coverage(found[world], SHOWN_AUC)
        for world in WORLDS
        if found.get(world) and SHOWN_AUC in found[world][0].intervals
    }
    short = [f"`{world}` ({_figure(rate)})" for world, rate in covered.items() if rate.value + 2 * rate.error < 1.0 - ALPHA]
    said = (
        ("Between equal methods the leaderboard's own p-value is below .05 too often", bold),
        ("in a family of eight equal methods it calls a difference, after Holm, more often than .05", wide),
        ("the AUC's 95 % interval holds the truth too seldom", short),
    )
    told = [f"{what} in {', '.join(where)}" for what, where in said if where]
    if not told:
        return "In no null world are tests too bold or intervals too short by more than two Monte-Carlo errors."
    return (
        f"**By more than two Monte-Carlo errors**: {'; '.join(told)}. There training depends much on the sample, and p-values "
        "near the threshold deserve caution."
    )


def _named(bar: Bar) -> str:
    return f"{bar.test} in {bar.world}"


def _bars(found: Found, copies: Sequence[str]) -> str:
    rows = []
    for bar, rate in judge(found, copies):
        verdict = "holds" if bar.holds(rate) else "**fails**"
        if rate.count < bar.enough:
            verdict += f" (too few repetitions: {rate.count} of {bar.enough})"
        rows.append((bar.world, bar.test, _range(bar), _figure(rate), verdict))
    return grid(("world", "test", "share called different must be", "found", ""), rows) if rows else ""


def _range(bar: Bar) -> str:
    if bar.low == 0:
        return f"at most {_short(bar.high)}"
    return f"at least {_short(bar.low)}" if bar.high == 1 else f"{_short(bar.low)} to {_short(bar.high)}"


def _levels(found: Found) -> str:
    worlds = [name for name in (*LEVEL_WORLDS, POWER_WORLD) if found.get(name)]
    if not worlds:
        return ""

    def cell(test: str, world: str) -> str:
        figure = _figure(rejections(found[world], test))
        return f"({figure})" if world == POWER_WORLD and test in NAIVE else figure

    said = "The methods are equal, so each share should be at most .05."
    if POWER_WORLD in worlds:
        first, second = expected(found[POWER_WORLD], AUC)
        truth = f"where the true AUCs are {_short(first)} and {_short(second)}"
        said += f" But in `{POWER_WORLD}`, {truth}, it is the power: in brackets that of tests which do not keep the level."
    said += " The last row is how often the leaderboard would say that the two are equal within .01"
    said += f": rightly, but in `{POWER_WORLD}`." if POWER_WORLD in worlds else "."
    said += " With so few cases that is hardly ever said, so this does not validate the rule."
    rows = [(test, *(cell(test, world) for world in worlds)) for test in PAIR_TESTS]
    rows.append((EQUIVALENCE, *(_figure(any_called(found[world], EQUIVALENCE)) for world in worlds)))
    return f"{fill(said, WIDTH, break_on_hyphens=False)}\n\n" + grid(("test", *worlds), rows)


def _others(found: Found) -> str:
    rows = [
        (world, test, _figure(rejections(found[world], test)))
        for world, tests in OTHER_TESTS
        if found.get(world)
        for test in tests
    ]
    return grid(("world", "test", "called different at .05"), rows) if rows else ""


def _coverages(found: Found) -> str:
    worlds = [name for name in (*LEVEL_WORLDS, POWER_WORLD, SITE_WORLD, HOLDOUT_WORLD) if found.get(name)]
    if not worlds:
        return ""

    def table(of_own_models: bool) -> str:
        return grid(
            ("interval", *worlds),
            [
                (
                    kind,
                    *(
                        _figure(coverage(found[world], kind, of_own_models)) if kind in found[world][0].intervals else ABSENT
                        for world in worlds
                    ),
                )
                for kind in TARGETS
            ],
        )

    return "\n\n".join((COVERAGE, table(of_own_models=False), table(of_own_models=True)))


def _families(found: Found) -> str:
    worlds = [name for name in FAMILY_WORLDS if found.get(name)]
    if not worlds:
        return ""
    rules = (WITHOUT_HOLM, WITH_HOLM, DELONG_WITH_HOLM)
    rows = [(rule, *(_figure(any_called(found[world], rule)) for world in worlds)) for rule in rules]
    return f"{FAMILIES}\n\n" + grid(("p-values", *worlds), rows)


def _end_to_end(found: Found, copies: Sequence[str]) -> str:
    there = [name for name in copies if found.get(name)]
    if not there:
        return ""
    rows = []
    for name in there:
        trials = found[name]
        largest = max(abs(difference) for trial in trials for difference in trial.differences)
        tests = (_exact(rejections(trials, test)) for test in (NAIVE_T, CORRECTED_T, WIDENED, MCNEMAR))
        rows.append((name, str(len(trials)), *tests, _short(largest)))
    head = ("copies of", "cohorts", NAIVE_T, CORRECTED_T, WIDENED, MCNEMAR, "largest difference of AUCs")
    return f"{END_TO_END}\n\n" + grid(head, rows)


def _exact(rate: Rate) -> str:
    """The share with its exact (Clopper-Pearson) interval."""
    called = round(rate.value * rate.count)
    interval = binomtest(called, rate.count).proportion_ci()
    return f"{called} of {rate.count} [{_short(interval.low)}, {_short(interval.high)}]"


def _worlds(found: Found) -> str:
    rows = []
    for name, world in WORLDS.items():
        trials = found.get(name, ())
        reached = sorted({_short(auc) for auc in expected(trials, AUC)}, reverse=True) if trials else [ABSENT]
        best = " and ".join(dict.fromkeys(_short(auc) for auc in world.auc))
        between = " and ".join(reached) if len(reached) < 3 else f"{reached[-1]} to {reached[0]}"
        rows.append((f"`{name}`", SAID[name], best, between, str(len(trials)) if trials else "not simulated"))
    return f"{SETTING}\n\n" + grid(("world", "what it is", "best AUC", "AUC reached", "repetitions"), rows)


def _reproduction(found: Found, copies: Sequence[str]) -> str:
    simulated = max((len(found.get(name, ())) for name in WORLDS), default=0)
    cohorts = max((len(found.get(name, ())) for name in copies), default=0)
    return f"""\
```sh
python -m benchmark calibrate --repetitions {simulated} --cohorts {cohorts}
```

Each repetition has a random stream of its own, from the world's name and the repetition's number, so neither `--jobs` nor
an interruption changes a figure. Finished repetitions are kept in `results/calibration/`, and computed anew when the code
that decides them changes. `--world s1 --output FILE` computes one world; a document holds all that is finished. A short
run is a test: `tests/statistics/test_level.py`."""


def _figure(rate: Rate) -> str:
    """`.051 ± .008`."""
    return f"{_short(rate.value)} ± {_short(rate.error)}"


def _short(value: float) -> str:
    """Three decimals without the leading zero."""
    return f"{value:.3f}".removeprefix("0")
