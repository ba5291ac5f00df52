"""What an extraction will cost, on paper: before weights are fetched or a picture is decoded."""
