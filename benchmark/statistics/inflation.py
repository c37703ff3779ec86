"""What the covariance of AUCs under repeated cross-validation is multiplied by in tests; `calibrate` chooses the constants.

Folds share training cases, so AUCs vary more than their patients tell. The constants stand apart because what `calibrate`
measures does not depend on them.
"""

ALL_PAIRS = 2.0
"""In the family of all pairs of ranked rows."""
QUESTIONS = 2.0
"""In families that were named in advance, and for a single named pair."""
FEW_LABELS = 2.5
"""In either where methods learn from a small share of the labels."""
ROW_WITH_FEW_LABELS = 2.0
"""In the interval of a single row there. In a simulation that was made once it covers the truth in .984 and .961 of 250
repetitions of the worlds `8-labels` and `8-few-positives`, where the 1.25 of other tables covers it in .941 and .902."""
