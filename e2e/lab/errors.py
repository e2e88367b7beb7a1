"""The lab's error, with a message for the user."""


class LabError(Exception):
    """A component of the lab is unavailable or did not start; the message names it and ends with its log."""
