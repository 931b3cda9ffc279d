"""The report: one HTML file, rendered from records, that makes no network request; its figures and exports."""
