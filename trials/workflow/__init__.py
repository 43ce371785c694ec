"""Load, compute, save. Only this alcove of `trials` knows the store; the caller owns the transaction."""
