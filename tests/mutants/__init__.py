"""Small mistakes planted in the code that matters most, to see whether the tests notice them."""
