"""From one stored video to its frames, a file a kind of storage."""
