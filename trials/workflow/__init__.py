"""Load, compute, save. Only this part of `trials` knows the store; the caller owns the transaction."""
