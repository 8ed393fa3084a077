"""What is said: methods, params, results, errors and path URIs, as pure data."""
