"""The page in the browser that scores what people upload."""
