"""Monitoring held against planted truths: quiet years, shifts of known size, and the demo's drift."""
