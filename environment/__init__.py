"""What a machine can do: contracts without code, and the `Environment` that bundles them."""
