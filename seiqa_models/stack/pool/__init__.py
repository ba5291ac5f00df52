"""The pool of members: fitted, cross-fitted, and predicting."""
