"""The parts of the nano base's training: its start, its forward pass, its optimizers, its batches."""
