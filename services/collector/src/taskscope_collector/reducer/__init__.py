"""Pure: (state, observation) -> state, changes. No clock, no I/O; the time comes with what is observed."""
