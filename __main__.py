"""The mesh: settings in, components composed, outputs out."""

import gc

# What imports make is never garbage. To look for it while they run and once more when Python ends takes a sixth of a
# preview.
gc.disable()

import pulumi

from program.compose import compose, owner_of
from program.lookup import look_up
from program.settings import Settings
from program.supply import as_locked

gc.freeze()
gc.enable()

settings = as_locked(Settings.load(), pulumi.get_stack())
compose(settings, look_up(settings, owner_of(settings)))
