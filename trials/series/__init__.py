"""From observations to planned intervals, local days and the inputs of an evaluation."""
