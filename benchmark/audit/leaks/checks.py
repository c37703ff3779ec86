"""The table of checks, and the audit that makes them: of a dataset, kept by content digest, or of a method."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from benchmark.audit.leaks import columns, copies, dates, parts, permuted, pools, sites, wording
from benchmark.audit.leaks.canary import canary
from benchmark.audit.leaks.subject import Observation, Subject
from benchmark.cells.audited import Audited, AuditFinding, read_audited, write_audited
from benchmark.data.cohort import Cohort
from benchmark.data.features import report_digests
from benchmark.registry.catalogue import Catalogue, ConfiguredProtocol
from benchmark.system import provenance
from benchmark.system.errors import DataError

Look = Callable[[Subject], Iterator[Observation]]


@dataclass(frozen=True)
class Check:
    """One kind of leak.

    why, mend : what it does to the numbers, and what to do. short : whether the run that stands at the head of `run` makes it.
    of_splits : whether it looks at the splits of a protocol, and so is made once for each.
    """

    look: Look
    why: str
    mend: str
    short: bool = True
    of_splits: bool = False


SEEN = "a model that has seen a case in training knows it in the test, so the AUC is too high"
ONE_PATIENT = "give the cases of one patient one name in `groups`, or leave the copies out"
SEEN_UNLABELLED = "pre-training on the pool sees test cases"
OUT_OF_POOL = "leave them out of the pool, or give both one name in `groups`"

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "SB101": Check(
            parts.torn_groups, SEEN, "let the protocol cut by `groups`, as `benchmark.data.splits` does", of_splits=True
        ),
        "SB102": Check(
            parts.sites_held_out,
            "the figures are said to be those of an unseen site, and are not",
            "keep every case of `Split.site` out of train, validation and unlabelled cases",
            of_splits=True,
        ),
        "SB103": Check(
            parts.pools_of_splits,
            "pre-training on the pool has seen what is tested",
            "leave the groups of the test part and the held-out site out of `Split.pool`",
            of_splits=True,
        ),
        "SB111": Check(copies.same_rows, SEEN, ONE_PATIENT),
        "SB112": Check(copies.near_rows, SEEN, ONE_PATIENT, short=False),
        "SB113": Check(copies.same_images, SEEN, ONE_PATIENT),
        "SB114": Check(copies.near_images, SEEN, ONE_PATIENT, short=False),
        "SB115": Check(copies.same_texts, SEEN, ONE_PATIENT),
        "SB116": Check(copies.near_texts, SEEN, ONE_PATIENT, short=False),
        "SB121": Check(pools.rows_in_pool, SEEN_UNLABELLED, OUT_OF_POOL),
        "SB122": Check(pools.images_in_pool, SEEN_UNLABELLED, OUT_OF_POOL, short=False),
        "SB123": Check(pools.texts_in_pool, SEEN_UNLABELLED, OUT_OF_POOL, short=False),
        "SB131": Check(
            columns.separating_columns,
            "no single predictor of a stroke's outcome is that good: it is most likely the outcome itself, or follows from it",
            "find out when it was recorded; name it in `barred` and take it out of the inputs if that was after the outcome",
        ),
        "SB132": Check(
            columns.separating_words,
            "a word that goes with the label was most likely written when the outcome was known",
            "write the reports without knowledge of the outcome, or take the word out",
            short=False,
        ),
        "SB133": Check(
            columns.separating_images,
            "a mark, a frame or a scanner that goes with the label is learnt in place of the lesion",
            "look at this part of the images of both classes, and cut it off or bring both to one form",
            short=False,
        ),
        "SB134": Check(
            columns.naming_columns,
            "a number that names the case tells when it was recorded, and lets a model find it again",
            "take it out of the inputs",
        ),
        "SB141": Check(
            sites.sites_told,
            "where outcomes differ between sites a model may learn the site; an unseen one then does worse",
            "read `leave-one-site-out` beside `repeated-cv`",
            short=False,
        ),
        "SB151": Check(
            dates.barred_names,
            "the card itself says that it must be no input",
            "take the column out, or rename it if it is another thing",
        ),
        "SB152": Check(
            dates.late_names,
            "what is recorded with the outcome or after it is not known when the prediction would be made",
            "take it out and name it in `barred`; if it was known before, say so in its name (`pre`, `prior`, `baseline`)",
        ),
        "SB161": Check(
            wording.speaks_of_label,
            "a report that tells the outcome is no input of a prognosis",
            "use reports that were written before the outcome, or take these sentences out",
        ),
        "SB171": Check(
            permuted.permuted_labels,
            "labels that were dealt anew cannot be predicted: the splits let a label through",
            "look at SB101, and at the protocol's file",
            short=False,
            of_splits=True,
        ),
    }
)
"""Code -> check. SB181 and on are kept for encoders and stages that saw what they must not."""
CANARY = "SB172"
"""The check of a method."""


@dataclass(frozen=True)
class Audit:
    """An audit of a dataset: its findings, of all checks that were made, and how many were made anew."""

    findings: tuple[AuditFinding, ...]
    made: int


def audit_dataset(cohort: Cohort, catalogue: Catalogue, protocols: Iterable[str], *, short: bool = False) -> Audit:
    """The findings on a dataset and on its splits under the protocols.

    Checks that were made of the same content and sets of reports by the same code are read from `results/audit/`; the others
    are made and stored.
    `short` leaves out those that take long. A protocol that the cohort does not allow is passed over.
    """
    card = catalogue.dataset(cohort.name).card
    version = provenance.digest([provenance.code_digest(Path(__file__)), vars(card), dict(report_digests(cohort))])[:16]
    stored = read_audited(cohort.name)
    if stored is None or (stored.content, stored.version) != (cohort.content_digest, version):
        stored = Audited(cohort.name, cohort.content_digest, version)
    done = dict(stored.done)
    subjects = [Subject(cohort, card, catalogue)]
    subjects += [Subject(cohort, card, catalogue, catalogue.protocol(name)) for name in protocols]
    wanted = {}
    for subject in subjects:
        for code, check in CHECKS.items():
            if check.of_splits == (subject.protocol is not None) and not (short and not check.short):
                wanted[_key(code, subject.protocol)] = (code, check, subject)
    missing = {key: of for key, of in wanted.items() if key not in done}
    for key, (code, check, subject) in missing.items():
        if check.of_splits:  # what was found of an earlier version of the protocol
            done = {other: found for other, found in done.items() if other.rpartition(" ")[0] != key.rpartition(" ")[0]}
        done[key] = tuple(_findings(code, check, subject))
    if missing:
        write_audited(Audited(cohort.name, cohort.content_digest, version, dict(sorted(done.items()))))
    spelled = {"", *(subject.protocol.spelled for subject in subjects if subject.protocol is not None)}
    found = (finding for _, each in sorted(done.items()) for finding in each if finding.protocol in spelled)
    return Audit(tuple(found), len(missing))


def audit_method(spelled: str, catalogue: Catalogue) -> list[AuditFinding]:
    """The findings on a method. Raises `UnknownNameError` for an unknown one, `BenchmarkError` for one that cannot be tried."""
    why = "something in it was fitted on the labels of test rows, so its AUC is too high"
    mend = "use nothing but `train` and `validation` in fit, and nothing but `cases` in predict_proba"
    return [
        AuditFinding(CANARY, seen.state, "canary", seen.what, why, seen.evidence, mend) for seen in canary(spelled, catalogue)
    ]


def _key(code: str, protocol: ConfiguredProtocol | None) -> str:
    """The name under which a check's findings are stored."""
    return code if protocol is None else f"{code} {protocol.spelled} {provenance.code_digest(protocol.entry.path)[:8]}"


def _findings(code: str, check: Check, subject: Subject) -> Iterator[AuditFinding]:
    under = "" if subject.protocol is None else subject.protocol.spelled
    try:
        for seen in check.look(subject):
            what = f"{seen.what} under {under}" if under else seen.what
            yield AuditFinding(code, seen.state, subject.cohort.name, what, check.why, seen.evidence, check.mend, under)
    except DataError:
        if subject.protocol is None:
            raise
