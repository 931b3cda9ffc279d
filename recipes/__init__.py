"""How the data and the small base that the package ships were made: seeded, run again by anyone, not in the wheel."""
