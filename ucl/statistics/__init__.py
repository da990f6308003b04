"""Ranks and recall, intervals, tests of uniformity and of normality."""

from ucl.extras import needs

needs("workflow", "pandas", "scipy")
