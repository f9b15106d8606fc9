"""The images that the embedded node runs: made on this machine, under the names by which they are asked for."""
