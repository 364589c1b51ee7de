"""The house style (docs/design.md), held by reading our own source: nothing here is imported, so it costs a second."""
