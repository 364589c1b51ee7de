"""The report people show each other: one file, no script, no request, made from the rows that a comparison measured.

rows.py     what a measured row says, and when two figures differ
verdict.py  three sentences, each tied to the cells it speaks of
claims.py   the article's strengths and weaknesses as data, and what the rows say of each
table.py    the table with its intervals      scatter.py, curves.py, svg.py  the plots
page.py     all of it into page.html and page.css
"""

__all__ = ["machine", "write_report"]

from morphogen.report.machine import machine
from morphogen.report.page import write_report
