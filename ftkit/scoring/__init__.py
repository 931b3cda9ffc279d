"""One answer against the right one: parsing, executable checks, metrics, JSON Schema, grounding in sources."""
