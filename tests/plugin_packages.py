"""Packages that add systems and parts, written into a folder as pip installs them."""

__all__ = ["SYSTEM", "environment", "install"]

import os
from pathlib import Path
from textwrap import dedent

import morphogen

SYSTEM = '''
    """A VAE whose decoder is a part of this package."""

    from typing import Any

    from morphogen.families.vae import VAE, DiscretizedLogistic
    from morphogen.model import Model
    from morphogen.networks.convnet import ConvDecoder, ConvEncoder, halvings
    from morphogen.representations.pixels import Pixels


    class TinyDecoder(ConvDecoder):
        """The decoder of a convolutional VAE, under a name of this package."""


    def tiny_vae(pixels: Pixels, *arguments: Any, **options: Any) -> Model:
        """A tiny VAE of another package."""
        channels, height, width = pixels.shape
        likelihood, widths = DiscretizedLogistic(pixels.levels), (8,) * (1 + halvings(pixels.shape))
        decoder = TinyDecoder((2,), (likelihood.outputs(channels), height, width), widths)
        encoder = ConvEncoder(pixels.shape, (4,), widths)
        return Model(VAE(encoder, decoder, likelihood, latent_shape=(2,)), pixels)
'''


def install(folder: Path, package: str, source: str, systems: str = "", parts: str = "") -> None:
    """Install a package of one module: the module and the metadata that pip would write.

    Arguments:
        folder: on the path of the processes that shall know it.
        package: name of the package and of its module.
        source: text of the module.
        systems: its entry points of the group `morphogen.systems`, lines of `name = module:function`.
        parts: those of the group `morphogen.parts`, lines of `name = module`.
    """
    metadata = folder / f"{package}-0.1.dist-info"
    metadata.mkdir(parents=True)
    (folder / f"{package}.py").write_text(dedent(source))
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
    groups = {"morphogen.systems": systems, "morphogen.parts": parts}
    lines = [f"[{group}]\n{dedent(entries).strip()}\n" for group, entries in groups.items() if entries]
    (metadata / "entry_points.txt").write_text("\n".join(lines))


def environment(folder: Path) -> dict[str, str]:
    """The environment of a process that knows the packages of a folder."""
    paths = [str(folder), str(Path(morphogen.__file__).parents[1])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
