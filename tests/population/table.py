#!/usr/bin/env python3
"""Adds the 95 % bound to the counts and writes the table that the program carries.

    python3 -m venv venv && venv/bin/pip install scipy==1.17.1
    venv/bin/python table.py counts.csv > ../../src/matching/strength.csv

The bound is the upper end of the one-sided Clopper-Pearson interval, rounded up to three digits.
"""

import csv
import decimal
import sys

from scipy.stats import beta

POPULATION = "unrelated-1"


def upper95(observed, pairs):
    if observed >= pairs:
        return "1"
    bound = decimal.Decimal(float(beta.ppf(0.95, observed + 1, pairs - observed)))
    context = decimal.Context(prec=3, rounding=decimal.ROUND_CEILING)
    return f"{context.plus(bound):.2e}"


def main():
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["population", "qualities", "algorithm", "threshold", "fp_observed", "fp_pairs",
                  "fp_upper95"])
    with open(sys.argv[1], newline="") as counts:
        for row in csv.DictReader(counts):
            observed, pairs = int(row["observed"]), int(row["pairs"])
            out.writerow([POPULATION, row["qualities"], row["algorithm"], row["threshold"],
                          observed, pairs, upper95(observed, pairs)])


if __name__ == "__main__":
    main()
