"""Configuration of who may ask for what: policies and tokens."""
