"""09_deployment: what ships, files for serving platforms, and whether it still answers as what was tested."""
