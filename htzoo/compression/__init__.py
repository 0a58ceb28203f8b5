"""Trained models and layers into smaller ones: which weights, which formats, calibration, distillation."""

from htzoo.compression.compress import compress
from htzoo.compression.compress_layer import compress_layer
from htzoo.compression.compress_model import CompressionReport, WeightReport, compress_model
from htzoo.compression.folder import load_compressed, save_compressed
from htzoo.compression.plan import plan
from htzoo.compression.record import record

__all__ = [
    "CompressionReport",
    "WeightReport",
    "compress",
    "compress_layer",
    "compress_model",
    "load_compressed",
    "plan",
    "record",
    "save_compressed",
]
