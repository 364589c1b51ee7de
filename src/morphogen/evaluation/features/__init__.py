"""Feature spaces in which distances between real and generated data are measured, chosen by the medium.

    pictures    committed classifiers, EfficientNet-Lite0, a network trained on the data, random features
    text        sentence embeddings, random byte trigrams
    sound       statistics of log-mel bands
    columns     standardized columns of a table, or elements of any other tensor

Whether the chosen space can tell real data from noise is checked every time (`evaluation.sight`).

No paper: the modules of the spaces have their references.
"""

__all__ = [
    "CLASSIFIERS",
    "WEIGHTS",
    "ByteFeatures",
    "ClassifierFeatures",
    "ColumnFeatures",
    "EfficientNetFeatures",
    "Features",
    "RandomFeatures",
    "SentenceFeatures",
    "SpectrumFeatures",
    "TrainedFeatures",
    "column_features",
    "features_for",
    "picture_features",
    "sound_features",
    "text_features",
]

from morphogen.component import ConfigError
from morphogen.data.dataset import Dataset
from morphogen.evaluation.features.columns import ColumnFeatures, column_features
from morphogen.evaluation.features.pictures import (
    CLASSIFIERS,
    WEIGHTS,
    ClassifierFeatures,
    EfficientNetFeatures,
    RandomFeatures,
    picture_features,
)
from morphogen.evaluation.features.sound import SpectrumFeatures, sound_features
from morphogen.evaluation.features.space import Features
from morphogen.evaluation.features.text import ByteFeatures, SentenceFeatures, text_features
from morphogen.evaluation.features.trained import TrainedFeatures
from morphogen.wrong_calls import explains_calls


@explains_calls
def features_for(data: Dataset) -> Features:
    """The default feature extractor of a data set, chosen by its medium, which checks what it is given.

    Errors: ConfigError without a data set.
    """
    if not isinstance(data, Dataset):
        kind = type(data).__name__
        raise ConfigError(f"data is of type {kind}: give a data set, such as data = mg.load_data(X)")
    features: Features = data.representation.medium.features(data)
    features.representation = data.representation
    return features
