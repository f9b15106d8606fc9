"""The mesh: settings in, components composed, outputs out."""

import gc

# What imports make is never garbage. To look for it while they run and once more when Python ends takes a sixth of a
# preview. Once in a process: what is frozen is never freed, and a rehearsal evaluates the program again and again.
gc.disable()

import pulumi

from components.ownership import Owner
from program import compose
from program.lookup import look_up
from program.preflight import plan
from program.settings import Settings
from program.supply import as_locked

if not gc.get_freeze_count():
    gc.freeze()
gc.enable()

settings = as_locked(Settings.load(), pulumi.get_stack())
owner = Owner(stack=pulumi.get_stack(), kubeconfig=settings.kubeconfig, context=settings.context)
found = look_up(settings, owner)
planned = plan(settings, found)
for warning in planned.warnings:
    pulumi.warn(warning)

provider, guard = compose.arrive(settings, found)
base = compose.ground(settings, planned, owner, provider)
deployments = {settings.namespace: compose.bookinfo(base)} if settings.bookinfo else {}
for place, made in compose.services(base).items():
    deployments[place] = deployments.get(place, {}) | made
compose.traffic(base)
compose.observability(base)
compose.checks(base, deployments, after=compose.security(base))
compose.leave(guard, base.made)
