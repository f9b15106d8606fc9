"""How requests go between services."""
