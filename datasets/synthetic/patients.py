"""Patients of the synthetic cohort: infarct, admission and outcome of each, drawn from a stream of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.data.parts import Index
from datasets.synthetic.admission import Admission, draw_admission
from datasets.synthetic.brain import VOXEL_ML
from datasets.synthetic.hospitals import HOSPITALS, Hospital
from datasets.synthetic.infarcts import damaged_fractions, draw_infarct
from datasets.synthetic.outcome import Terms, eloquent_damage, outcome_terms

LABELLED, POOL, ORDER = 0, 1, 2
"""First key of a random stream: what it is for."""
HISTORY, CHART, SCAN = 0, 1, 2
"""Last key of a patient's random streams: infarct, admission and outcome; missing values; scanner noise."""


@dataclass(frozen=True, eq=False)
class Patient:
    """One patient, with the truth about the outcome.

    infarct : flat indices in the brain's box. fractions : damaged share of each atlas territory.
    good_outcome : the outcome as drawn; the pool has one too, which its cohort does not tell.
    """

    hospital: Hospital
    stream: tuple[int, int, int]
    infarct: Index
    fractions: NDArray[np.float64]
    admission: Admission
    terms: Terms
    good_outcome: bool

    @property
    def volume_ml(self) -> float:
        """Lesion volume."""
        return len(self.infarct) * VOXEL_ML

    def generator(self, purpose: int) -> np.random.Generator:
        """The patient's random stream for `CHART` or `SCAN`."""
        return self.hospital.generator(*self.stream, purpose)


def draw_patient(seed: int, hospital: Hospital, purpose: int, number: int) -> Patient:
    """The `number`-th patient whom the hospital admits for the labelled cohort or for the pool."""
    rng = hospital.generator(seed, purpose, number, HISTORY)
    infarct = draw_infarct(rng, hospital.severity)
    fractions = damaged_fractions(infarct)
    volume_ml = len(infarct) * VOXEL_ML
    admission = draw_admission(rng, hospital.age, volume_ml, eloquent_damage(fractions))
    terms = outcome_terms(admission, volume_ml, fractions)
    good = bool(rng.random() < terms.probability)
    return Patient(hospital, (seed, purpose, number), infarct, fractions, admission, terms, good)


def draw_labelled(seed: int) -> list[Patient]:
    """The labelled patients of all hospitals, in random order.

    Where a hospital's class counts are given, patients are admitted until both are met and those of a full class are sent away.
    """
    patients = []
    for hospital in HOSPITALS:
        wanted = {True: hospital.labelled, False: hospital.labelled}
        if hospital.good is not None:
            wanted = {True: hospital.good, False: hospital.labelled - hospital.good}
        admitted = {True: 0, False: 0}
        number = 0
        while sum(admitted.values()) < hospital.labelled:
            patient = draw_patient(seed, hospital, LABELLED, number)
            number += 1
            if admitted[patient.good_outcome] < wanted[patient.good_outcome]:
                admitted[patient.good_outcome] += 1
                patients.append(patient)
    return _shuffled(patients, seed, LABELLED)


def draw_pool(seed: int) -> list[Patient]:
    """The unlabelled patients of all hospitals, as they come, in random order."""
    patients = [draw_patient(seed, hospital, POOL, number) for hospital in HOSPITALS for number in range(hospital.pool)]
    return _shuffled(patients, seed, POOL)


def _shuffled(patients: list[Patient], seed: int, purpose: int) -> list[Patient]:
    """In random order, since ids are numbered along it and must reveal neither hospital nor outcome."""
    order = np.random.default_rng(np.random.SeedSequence([seed, ORDER, purpose])).permutation(len(patients))
    return [patients[i] for i in order]
