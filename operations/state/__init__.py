"""A stack's state: what a killed update, a cluster that is gone or the last version has left in it, put right."""
