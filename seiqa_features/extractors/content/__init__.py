"""What a picture says in so many words, and which things are in it: text and objects, compared."""
