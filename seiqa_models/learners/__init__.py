"""The learners: a registry of regressor factories, and the project's own regressors."""
