"""Bookinfo's own four programs, built from the sources in Istio's Go module, under the names of upstream's images."""

from embedded.images.upstream.build import ensure

__all__ = ["ensure"]
