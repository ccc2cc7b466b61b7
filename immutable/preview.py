"""What a plan comes to before it is carried out: what `Fleet.preview` answers.

>>> from immutable.preview import Change, ChangeKind
>>> str(Change("version", "", ChangeKind.CHANGED, "1.4.1", "1.4.2"))
'version is 1.4.2, was 1.4.1'
"""

from immutable.model.preview import Change, ChangeKind, Forecast, Preview, StepAhead

__all__ = ["Change", "ChangeKind", "Forecast", "Preview", "StepAhead"]
