"""How long an evaluation takes, and how much memory; `insitu bench evaluate --speed` prints it."""
