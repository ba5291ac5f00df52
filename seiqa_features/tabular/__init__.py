"""Tables that people make, manifests, label sheets and tables of numbers, by one reader."""
