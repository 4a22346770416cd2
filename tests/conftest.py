"""What holds for every test."""

# First of all, as in production: it sets the environment that gRPC reads when it is imported.
import fedward_shared

__all__ = ["fedward_shared"]
