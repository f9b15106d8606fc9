"""Reads the keys of a stack's configuration into typed values."""
