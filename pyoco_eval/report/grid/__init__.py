"""Grids of samples: the same seeds and prompts across models or noise priors, in one picture and
on one playing page.
"""
