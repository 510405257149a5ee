"""Metrics as objects that are fed while a program runs: in training loops and their callbacks."""
