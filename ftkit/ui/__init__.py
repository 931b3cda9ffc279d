"""What people see: figures (plotly), progress, summary boxes, and the report (one HTML file)."""
