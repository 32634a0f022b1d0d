"""Random lives of texts, whose reports come late, early, twice and in any order; and a model of what is known afterwards."""
