"""What everything stands on: errors, records, parameters, the run folder, the machine, statistics."""
