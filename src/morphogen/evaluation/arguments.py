"""Arguments of the metrics as a person gives them: arrays and lists as tensors, anything else as one line.

The annotation of an argument says what it must be: a tensor, texts, a number, rows of a data set, ...
Tables are compared by the names of their columns, not by their order.
No paper: it is a check.
"""

__all__ = ["reads_arguments"]

import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from jaxtyping import AbstractArray

from morphogen.component import ConfigError
from morphogen.contract import Batch
from morphogen.data.dataset import Dataset, Examples
from morphogen.evaluation.features.space import Features
from morphogen.inference.matching import Matcher
from morphogen.model import Model
from morphogen.representations.given import as_tensor, check_medium, medium_of
from morphogen.similar_names import list_names
from morphogen.staged import Staged
from morphogen.typed import check_arguments
from morphogen.wrong_calls import wrong_call

M = TypeVar("M", bound=Callable[..., Any])
GIVE: Mapping[type, str] = {  # what to write for an object of a class
    Batch: "a batch, such as data.test.first(100)",
    Dataset: "a data set, such as data = mg.load_data(X)",
    Examples: "rows, such as data.test of data = mg.load_data(X)",
    Features: "a feature space, such as mg.metrics.features_for(data)",
    Matcher: "a matcher, such as mg.inference.Matcher(model) of a model of the system clip",
    Model: "a model, such as mg.load(directory)",
    Staged: "a model, such as mg.load(directory)",
}
VECTORS: Mapping[str, str] = {  # what to write for samples, by the dimensions of an argument
    "n d": "their features, mg.metrics.features_for(data)(samples)",
    "m d": "their features, mg.metrics.features_for(data)(samples)",
    "n k": "probabilities of classes, mg.metrics.features_for(data).classify(samples)",
}


def reads_arguments(metric: M) -> M:
    """Decorator: the metric receives what its annotations say. Errors: ConfigError with name and remedy."""
    signature = inspect.signature(metric)

    @wraps(metric)
    def read(*given: Any, **named: Any) -> Any:
        try:
            bound = signature.bind(*given, **named)
        except TypeError as error:
            raise wrong_call(metric, metric.__name__, given, named) or error from None
        hints = _hints(metric)
        bound.arguments |= _aligned({name: bound.arguments[name] for name in _arrays(bound.arguments, hints)})
        for name, value in bound.arguments.items():
            bound.arguments[name] = _read(name, value, hints.get(name, Any))
        return metric(*bound.args, **bound.kwargs)

    return read  # type: ignore[return-value]


@cache
def _hints(metric: Callable[..., Any]) -> Mapping[str, Any]:
    return get_type_hints(metric)


def _arrays(given: Mapping[str, Any], hints: Mapping[str, Any]) -> list[str]:
    """The names of the arguments that are arrays by their annotation."""
    return [name for name in given if any(map(_is_array, _kinds(hints.get(name, Any))))]


def _aligned(given: Mapping[str, Any]) -> dict[str, Any]:
    """Tables with the columns in the order of the first one; what has no columns is compared by position.

    Errors: ConfigError for other columns than those of the first table.
    """
    frames = {name: value for name, value in given.items() if hasattr(value, "columns")}
    first, order = next(((name, list(frame.columns)) for name, frame in frames.items()), ("", []))
    for name, frame in frames.items():
        if Counter(frame.columns) != Counter(order):
            found, wanted = (
                list_names([str(column) for column in names]) for names in (frame.columns, order)
            )
            raise ConfigError(f"{name} has the columns {found}; {first} has {wanted}: give the same columns")
    moved = {name: frame for name, frame in frames.items() if list(frame.columns) != order}
    return {name: frame[order] for name, frame in moved.items()}


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types that an annotation allows."""
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _kinds(hint: Any) -> tuple[Any, ...]:
    """The types that an annotation allows, but None."""
    return tuple(kind for kind in _alternatives(hint) if kind is not NoneType)


def _is_array(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, AbstractArray)


def _read(name: str, value: Any, hint: Any) -> Any:
    """The value as its annotation says; annotations of other kinds are not checked. Errors: ConfigError."""
    if value is None and NoneType in _alternatives(hint):
        return None
    kinds = _kinds(hint)
    if kinds == (Sequence[str],) or (Sequence[str] in kinds and not hasattr(value, "dtype")):
        return _texts(name, value)
    array = next((kind for kind in kinds if _is_array(kind)), None)
    others = tuple(kind for kind in kinds if isinstance(kind, type) and kind is not array)
    if array is not None and not isinstance(value, others):
        return as_tensor(_rows(name, value, array.dim_str), name)
    if get_origin(kinds[0]) is Callable:
        if not callable(value):
            raise ConfigError(f"{name} is of type {type(value).__name__}: give a function")
        return value
    if kinds[0] in GIVE and not isinstance(value, kinds):
        raise ConfigError(f"{name} is of type {type(value).__name__}: give {GIVE[kinds[0]]}")
    return check_arguments({name: hint}, {name: value})[name]


def _rows(name: str, value: Any, dims: str) -> Any:
    """The medium of samples, of rows and of a batch, where any medium is taken.

    Errors: ConfigError where features are.
    """
    batch = value.first() if isinstance(value, Examples) and len(value) else value
    medium = batch.medium if isinstance(batch, Batch) else medium_of(value)
    if medium is not value and "..." not in dims and "*" not in dims:
        remedy = VECTORS.get(dims, "an array or a tensor of numbers")
        raise ConfigError(f"{name} are {'samples' if batch is value else 'rows'}: give {remedy}")
    check_medium(medium, name, takes_condition=False)
    return medium


def _texts(name: str, value: Any) -> list[str]:
    """Texts as a list. Errors: ConfigError for one text, whose characters would be the texts."""
    if isinstance(value, str):
        raise ConfigError(f"{name} is one text, {value!r:.40}: give a list of texts, [{name}]")
    check_medium(value, name)
    is_listed = hasattr(value, "__iter__") and not isinstance(value, Mapping | bytes | type)
    texts = list(value) if is_listed else [value]
    if wrong := [text for text in texts if not isinstance(text, str)]:
        kind = type(wrong[0]).__name__
        raise ConfigError(f"{name} has an item of type {kind}: give a list of texts, one string each")
    return texts
