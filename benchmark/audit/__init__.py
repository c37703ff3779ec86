"""Does it hold? Conformance of methods, calibration of the tests, the state of this machine."""
