"""The runtime: drives the pure engine with what Faust's consumer brings, and carries out what the engine says."""
