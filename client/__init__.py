"""The contracts on another machine: connect, call."""
