"""The zoo: models by name, opening and saving them, labelling videos, and publishing on the Hub."""
