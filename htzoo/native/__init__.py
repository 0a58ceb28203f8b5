"""Chains of products in compiled code."""
