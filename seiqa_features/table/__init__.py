"""The feature table: recipe, feature store, and the columns that are assembled from it."""
