"""Choosing training videos by what networks say of them (Ge et al., 2023, §5.1)."""
