"""The contracts on this machine; `direct` holds the bare system calls."""
