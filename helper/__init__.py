"""The program inside the box: one request on stdin, a direct operation, one reply on stdout."""
