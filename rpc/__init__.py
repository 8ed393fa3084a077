"""How messages travel: frames, envelope, router, pending calls. Knows no method by name."""
