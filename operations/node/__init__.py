"""What concerns an embedded cluster's real node alone: which Bookinfo it has, and that it starts in time."""
