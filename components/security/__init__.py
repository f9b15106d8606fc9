"""Who may call whom, and how that is known."""
