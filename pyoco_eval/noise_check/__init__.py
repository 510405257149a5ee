"""Checks that an implementation of video noise draws what a model was trained with."""
