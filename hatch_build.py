"""Compile the C code into the wheel; without a C compiler the wheel is pure and runs on PyTorch alone."""

from __future__ import annotations

import importlib.util
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledLibrary(BuildHookInterface):  # type: ignore[type-arg]
    """Put the library beside its sources: in the wheel, or in the checkout of an editable installation."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; called by hatchling before it collects the files."""
        folder = Path(self.root, "htzoo", "native")
        spec = importlib.util.spec_from_file_location("htzoo_native_compile", folder / "compile.py")
        assert spec is not None and spec.loader is not None
        compiling = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(compiling)
        self.temporary = tempfile.TemporaryDirectory(prefix="htzoo-")
        target = compiling.LIBRARY if version == "editable" else Path(self.temporary.name, compiling.LIBRARY.name)
        try:
            compiling.compile_library(target)
        except compiling.CompileError as error:
            self.app.display_warning(f"htzoo is installed without compiled code, and slower: {error}")
            if version == "editable":
                target.unlink(missing_ok=True)
            return
        if version != "editable":
            build_data["force_include"][str(target)] = f"htzoo/native/{target.name}"
            build_data["pure_python"] = False
            system = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{system}"  # the library knows nothing of Python's interface

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder once the wheel is written."""
        self.temporary.cleanup()
