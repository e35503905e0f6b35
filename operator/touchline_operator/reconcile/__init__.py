"""Level-triggered loops: read what is true, render, apply the complete wanted state, write status."""
