"""The images that the embedded node runs: built on this machine, under the names by which pods ask for them."""
