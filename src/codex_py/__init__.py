"""codex-py: the Codex exec-server, its sandboxed file helper and a typed client, in Python."""

__version__ = "0.1.0"
