"""``make tour``: a walk for learners through the running stack, in several languages."""
