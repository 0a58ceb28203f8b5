"""Trained models and layers into smaller ones."""
