"""What goes wrong here, for a person to read."""


class LabError(Exception):
    """Something of the laboratory could not be had or did not come up; the message says what, and what its log said last."""
