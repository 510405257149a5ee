"""What is in a place: folders, patterns, manifests, tar shards, remote addresses."""
