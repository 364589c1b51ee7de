"""`morphogen doctor`: what this machine has, which native kernels it runs, and its measured limits."""

__all__ = ["doctor"]

import os

from morphogen.cli.echo import echo

# of the instruction sets that a processor has, those that kernels profit from
USEFUL = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "sve", "i8mm")


def doctor() -> None:
    """Show the processor, the native kernels, and the measured limits of memory and arithmetic.

    Builds the kernels that are not built yet, which takes about 10 seconds each.
    """
    import torch

    from morphogen.counted import counted
    from morphogen.native.compiler import cache_directory, find_compiler
    from morphogen.native.limits import bandwidth, matrix_rate
    from morphogen.native.operators import KERNELS
    from morphogen.native.processor import instructions
    from morphogen.numerics.precision import native_bf16
    from morphogen.report.machine import machine

    found = instructions()
    compiler = find_compiler()
    _row(
        "machine", f"{machine()}; torch {torch.__version__} with {counted(torch.get_num_threads(), 'thread')}"
    )
    _row("instructions", " ".join(name for name in USEFUL if name in found) or "unknown")
    _row("compiler", " ".join(compiler) if compiler else "none: kernels are replaced by torch's operators")
    _row("kernels", str(cache_directory()))
    for kernel in KERNELS:
        _row(f"  {kernel}", _state_of(kernel))
    _row("memory", f"{bandwidth() / 1e9:.1f} GB/s read")
    kinds = {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if native_bf16(torch.device("cpu")) else {})
    rates = (f"{matrix_rate(dtype) / 1e9:.0f} GFLOPS {name}" for name, dtype in kinds.items())
    _row("arithmetic", ", ".join(rates))


def _state_of(kernel: str) -> str:
    """Whether a kernel is built; it is, if it can be."""
    from morphogen.native.compiler import BuildFailed, library
    from morphogen.native.kernels import OFF, source

    if os.environ.get("MORPHOGEN_NATIVE") == OFF:
        return "off (MORPHOGEN_NATIVE)"
    try:
        return f"built: {library(source(kernel)).name}"
    except BuildFailed as error:
        return f"not built: {error}"


def _row(name: str, value: str) -> None:
    echo(f"{name:<21}{value}")
