"""A hospital's side: vault, gateway, importer and the command that runs them."""

from fedward_shared.version import VERSION

__all__ = ["__version__"]

__version__ = VERSION
