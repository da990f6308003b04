"""Ranks and recall, intervals, tests of uniformity and of normality."""
