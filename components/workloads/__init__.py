"""What runs in the mesh: Bookinfo, services of the user's own, and their way in."""
