"""The learners: a registry of regressor factories, and the regressors that are our own."""
