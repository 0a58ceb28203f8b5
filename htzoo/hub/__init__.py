"""The zoo: models by name, config.json, loading, saving, publishing, labelling, compressing, exporting."""
