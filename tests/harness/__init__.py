"""What tests stand on: a server process that never survives its test, clients, and the fake bwrap's log."""
