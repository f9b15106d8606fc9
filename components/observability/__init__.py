"""Logs, metrics and traces, and the addons that show them."""
