"""A package of somebody else that adds a metric, its network and a convention to pyoco-eval."""
