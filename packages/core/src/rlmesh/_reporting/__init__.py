"""Reports of runs: text, rich tables, HTML pages and pandas data frames."""
