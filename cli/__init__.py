"""The only place where the parts meet: Click commands, imported when they are called."""
