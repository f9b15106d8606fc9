"""What checks the project itself."""
