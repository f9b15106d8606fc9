"""Ways into a stack that is up: its shell, its page, a tunnel, k9s."""
