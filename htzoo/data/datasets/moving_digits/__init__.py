"""Moving digits, a dataset that is generated and needs no download."""
