"""Moving digits, a data set that is generated and needs no download."""
