"""From a seccomp profile to the bytes of a filter."""

from isolib.launch.seccomp.assemble import Program, assemble

__all__ = ["Program", "assemble"]
