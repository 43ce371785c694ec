"""The condition of a device: state, completeness and gaps, from facts and one frozen now."""
