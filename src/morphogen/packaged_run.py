"""Runs of packaged models: weights that others trained, which the commands take as a run.

    morphogen data get gan-face         download the weights into the cache
    morphogen sample gan-face           save the model of them as a run, runs/gan-face, and sample it

Such a run has neither data nor checkpoints. It is as old as its weights, so that it is never the newest run
of a folder with others.
"""

__all__ = ["packaged_run"]

from pathlib import Path

from morphogen.data.pretrained import MODELS, weights
from morphogen.files import write_json
from morphogen.model import save
from morphogen.run import Run, versions

WEIGHTS = "model.safetensors"


def packaged_run(name: str, root: str | Path = "runs") -> Run:
    """The run `root/name` of a packaged model, which is made when it is first opened.

    Arguments:
        name: one of `data.pretrained.MODELS`.
        root: folder of the runs.

    Errors: DataError if the weights are not in the cache, with the command that downloads them.
    """
    directory, packaged = Path(root) / name, MODELS[name]
    if not directory.exists():
        save(packaged.open(weights(name)[WEIGHTS]), directory / "model")
        record = {"system": name, "data": packaged.data, "settings": {}, "status": "finished"}
        write_json(directory / "run.json", record | {"created": packaged.created, "versions": versions()})
    return Run.open(directory)
