"""Scores that mean what they say: maps fitted on labelled scores of problems of their own, applied to others."""

from stepward.calibrate.aggregate import LengthPlatt, fit_length_platt
from stepward.calibrate.disjoint import (
    LabelledScores,
    cross_fitted,
    problem_folds,
    problem_key,
    refuse_shared_problems,
)
from stepward.calibrate.domains import FitPerDomain, PerDomain, calibrator_for
from stepward.calibrate.fits import (
    FITS,
    fit_beta,
    fit_isotonic,
    fit_logistic,
    fit_platt,
    fit_temperature,
)
from stepward.calibrate.maps import Beta, Calibrator, Isotonic, Logistic, Platt, Temperature
from stepward.calibrate.records import CALIBRATORS, any_from_json, from_json, to_json
from stepward.calibrate.scorers import Calibrated, CalibratedTrace, calibrated

__all__ = [
    "CALIBRATORS",
    "FITS",
    "Beta",
    "Calibrated",
    "CalibratedTrace",
    "Calibrator",
    "FitPerDomain",
    "Isotonic",
    "LabelledScores",
    "LengthPlatt",
    "Logistic",
    "PerDomain",
    "Platt",
    "Temperature",
    "any_from_json",
    "calibrated",
    "calibrator_for",
    "cross_fitted",
    "fit_beta",
    "fit_isotonic",
    "fit_length_platt",
    "fit_logistic",
    "fit_platt",
    "fit_temperature",
    "from_json",
    "problem_folds",
    "problem_key",
    "refuse_shared_problems",
    "to_json",
]
