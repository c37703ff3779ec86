"""Tuning: `METHOD[tuned=SAMPLER-TRIALS]` searches a method's hyper-parameters inside each split's training part."""
