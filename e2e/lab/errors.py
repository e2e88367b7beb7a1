"""Errors of the laboratory, for people."""


class LabError(Exception):
    """A part of the laboratory could not be obtained or did not start; the message names it and ends with its log."""
