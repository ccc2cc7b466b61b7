"""Carrying a plan out: observe, guard, decide, write down, act; again and again."""
