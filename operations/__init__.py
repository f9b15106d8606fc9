"""What a person or CI runs around the program: `python -m operations COMMAND`."""
