"""The walk, headless: check everything, then run each notebook whose inputs, parameters or code changed."""
