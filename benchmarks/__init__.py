"""``python -m benchmarks``: what the program costs, against doing the same without it on the same machine."""
