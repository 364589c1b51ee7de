"""The HTML report of a comparison: one self-contained file, without scripts or network requests.

rows.py      rows and figures, and when two figures differ
verdict.py   three short sentences
details.py, closest.py, table_verdict.py   the same with the intervals, linked to the cells they use
claims.py    strengths and weaknesses of each family as data, and how the rows test them
table.py     the table with its intervals
scatter.py, curves.py, svg.py    the plots
page.py      renders everything into page.html and page.css
"""

__all__ = ["machine", "write_report"]

from morphogen.report.machine import machine
from morphogen.report.page import write_report
