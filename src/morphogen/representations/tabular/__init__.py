"""Tables: columns cut into codes, rows of codes and offsets, normal scores and modes of the numbers."""

from morphogen.lazy import attach

_HOMES = {
    "CategoryColumn": "representations.tabular.columns",
    "Column": "representations.tabular.columns",
    "ContinuousCodes": "representations.tabular.continuous",
    "CsvFormat": "representations.tabular.csv_format",
    "DateColumn": "representations.tabular.dates",
    "GridColumn": "representations.tabular.numbers",
    "ModeSpecific": "representations.tabular.mode_specific",
    "NormalScores": "representations.tabular.scores",
    "NumberColumn": "representations.tabular.numbers",
    "NumberFormat": "representations.tabular.number_format",
    "PeriodColumn": "representations.tabular.dates",
    "RealColumn": "representations.tabular.numbers",
    "Tabular": "representations.tabular.rows",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
