"""The mesh: settings in, components composed, outputs out."""

import gc

# What a run makes lives until its end. To look for garbage among it takes a sixth of a preview, and half the evaluation
# of hundreds of services.
gc.disable()

import pulumi

from program.compose import compose, owner_of
from program.lookup import look_up
from program.settings import Settings
from program.supply import as_locked

settings = as_locked(Settings.load(), pulumi.get_stack())
compose(settings, look_up(settings, owner_of(settings)))

# When Python ends it looks all the same, but not at these.
gc.freeze()
