"""The words of other libraries for what this one has: an unknown argument or method is an error with ours.

    mg.train(model, data, epochs=3)
    UnknownArgument: train() has no argument 'epochs'; write steps=1000

Words of diffusers, transformers, scikit-learn, SDV and Keras. A remedy is code: arguments of the same
function, `name=value`, or another call. The tests evaluate each of them.
"""

__all__ = ["ARGUMENTS", "ATTRIBUTES", "UnknownArgument", "UnknownAttribute", "in_our_words", "other_word"]

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
RATE = 'mg.build_system(name, data, changes={"plan.optimizer.lr": 1e-3})'
BATCH = 'mg.build_system(name, data, changes={"plan.batch": 32})'
TOKENS = "sampler=mg.Ancestral(mg.samplers.MaxNewTokens(100))"
DECODING = "sampler=mg.Ancestral(mg.logits_processors(temperature=0.8, top_k=50, top_p=0.9))"
GUIDED = "sampler=mg.Guided(mg.DDIM(steps=25), scale=3.0)"
STEPS = "sampler=mg.DDIM(steps=25)"

# function -> (words of other libraries, our code)
ARGUMENTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "train": (
        ("epochs num_epochs max_epochs num_train_epochs n_epochs n_iter iterations", "steps=1000"),
        ("max_steps num_steps num_train_steps max_iter", "steps=1000"),
        ("seconds minutes max_time", "time=60"),
        ("lr learning_rate", RATE),
        ("batch_size batch per_device_train_batch_size", BATCH),
        ("output_dir out path checkpoint_dir", 'directory="runs/mine"'),
        ("random_state generator", "seed=0"),
        ("y target targets label", "labels=y"),
        ("fp16 bf16 mixed_precision", 'precision="bf16"'),
    ),
    "sample": (
        ("num_samples n_samples num_rows num_images_per_prompt num_return_sequences size count", "n=16"),
        ("batch_size", "batch=64"),
        ("random_state generator manual_seed", "seed=0"),
        ("steps num_steps num_inference_steps ddim_steps timesteps", STEPS),
        ("guidance guidance_scale cfg_scale cfg scale", GUIDED),
        ("temperature top_k top_p do_sample", DECODING),
        ("max_new_tokens max_length max_tokens length", TOKENS),
        ("num_beams", "sampler=mg.Beam(4)"),
        ("label labels y class_labels classes prompt text conditions", "condition=3"),
        ("negative_prompt", "negative=3"),
    ),
    "log_prob": (
        ("batch_size", "batch=64"),
        ("random_state generator", "seed=0"),
        ("y label labels", "condition=3"),
    ),
    "load_data": (
        ("y target targets label", "labels=y"),
        ("path file filename X x", 'data="photos/"'),
        ("text texts caption prompts", "captions=captions"),
        ("sample_rate sampling_rate sr fs", "rate=16000"),
        ("size image_size img_size side", "resolution=32"),
        ("max_length seq_len sequence_length block_size context_length window", "length=64"),
        ("target_column label_column class_column", 'condition="species"'),
        ("validation validation_data val eval_dataset", "valid=(X, y)"),
        ("test_size train_size val_size validation_split split random_state seed shuffle", "test=(X, y)"),
    ),
    "build_system": (
        ("lr learning_rate", 'changes={"plan.optimizer.lr": 1e-3}'),
        ("batch_size batch", 'changes={"plan.batch": 32}'),
        ("num_classes n_classes classes class_labels", 'conditions={"label": mg.Classes(10)}'),
    ),
}

# object -> (names that other libraries have, our code)
ATTRIBUTES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "model": (
        ("fit fit_transform fit_partial learn", "mg.train(model, data, steps=1000)"),
        ("generate generate_samples sample_conditions sample_from_conditions", "model.sample(4)"),
        ("save save_pretrained save_weights", 'mg.save(model, "model")'),
        ("load from_pretrained load_weights", 'mg.load("model")'),
        ("score_samples predict_proba predict_log_proba score logpdf", "model.log_prob(X).nats"),
        ("fill_mask", "mg.impute(model, df)"),
    ),
    "samples": (
        ("images pil_images texts", "samples.decode()"),
        ("numpy to_numpy array", "samples.tensor.numpy()"),
        ("to_pandas to_dataframe df to_csv", "samples.frame()"),
    ),
    "morphogen": (
        ("fit learn Trainer", "mg.train(model, data, steps=1000)"),
        ("from_pretrained load_model", 'mg.load("model")'),
        ("save_model save_pretrained", 'mg.save(model, "model")'),
        ("load_dataset DataLoader read_csv", "mg.load_data(X)"),
        ("pipeline Pipeline AutoModel", 'mg.build_system("ddpm", data)'),
    ),
}


class UnknownArgument(TypeError):
    """A function has no argument of this name; the message has the one to write."""


class UnknownAttribute(AttributeError):
    """An object has no attribute of this name; the message has what to write."""


def in_our_words(function: F) -> F:
    """Decorator: an unknown argument is an UnknownArgument that says what to write."""
    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    is_open = len(known) < len(parameters)  # takes further arguments of any name
    words = _words(ARGUMENTS[function.__name__])

    @wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        for name in named.keys() - set(known):
            if name in words or not is_open:
                remedy = f"write {words[name]}" if name in words else _nearest(name, known)
                raise UnknownArgument(f"{function.__name__}() has no argument {name!r}; {remedy}")
        return function(*given, **named)

    return call  # type: ignore[return-value]


def other_word(what: str, name: str) -> UnknownAttribute | None:
    """The error for an attribute that another library has; None for any other name.

    Arguments:
        what: the object, a key of `ATTRIBUTES`.
        name: of the attribute.
    """
    remedy = _words(ATTRIBUTES[what]).get(name)
    return None if remedy is None else UnknownAttribute(f"{what} has no attribute {name!r}; write {remedy}")


def _words(table: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return {word: remedy for words, remedy in table for word in words.split()}


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=2)
    names = ", ".join(one for one in known if one != "self")
    return f"did you mean {' or '.join(near)}?" if near else f"its arguments are {names}"
