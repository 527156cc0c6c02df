"""Running a terminal with real card readers, and making and reading cards at a desk."""
