"""The model half on third-party tables: no pictures, the columns are the features."""
