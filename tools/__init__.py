"""Campaigns and measurements that are run by hand: figures of speed, the learning curve of the synthetic cohort."""
