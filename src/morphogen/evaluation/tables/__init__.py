"""Quality of synthetic tables: shapes of columns, trends of pairs, rules, usefulness and privacy.

No paper: each module has its references. All of them compare pandas DataFrames, whatever drew the rows.
"""

from morphogen.lazy import attach

_HOMES = {
    "closest_record": "evaluation.tables.closest_record",
    "column_shapes": "evaluation.tables.column_shapes",
    "find_rules": "evaluation.tables.discovery",
    "pair_trends": "evaluation.tables.pair_trends",
    "sample_quality": "evaluation.tables.table_quality",
    "table_quality": "evaluation.tables.table_quality",
    "usefulness": "evaluation.tables.usefulness",
}

__getattr__, __dir__, __all__ = attach(__name__, _HOMES)
