"""The report as one HTML file: a document of plain data, and the page that shows it."""

from harness.report.html.evidence import Evidence, Past, PromptTexts
from harness.report.html.page import html

__all__ = ["Evidence", "Past", "PromptTexts", "html"]
