"""This program: what a stack's configuration makes of the components."""
