"""Where a helper may reach: policy -> plan of mounts -> bwrap argv, environment allowlist, launch.

The security model lives here and nowhere else; `docs/SANDBOX.md` says what it promises.
"""
