"""Which systems this project works on. Imports nothing: it runs before anything is installed or loaded."""

import sys

SUPPORTED = ("linux", "darwin")
"""Values of sys.platform. File locks and process groups are those of Unix."""


def require(platform: str) -> None:
    """End the process with one sentence where the system is not supported."""
    if platform not in SUPPORTED:
        sys.exit(
            f"error: {platform} is not supported; accepted: Linux, macOS, or on Windows the Linux shell of WSL2 "
            "(https://learn.microsoft.com/windows/wsl/install)"
        )


if __name__ == "__main__":
    require(sys.platform)
