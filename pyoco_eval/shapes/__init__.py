"""The moving shapes: a captioned, labelled data set drawn by index, with no files."""
