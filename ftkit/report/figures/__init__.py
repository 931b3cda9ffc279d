"""Figures: one module per notebook; every function takes records or tables and returns a plotly Figure."""
