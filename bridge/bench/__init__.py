"""The benchmarks behind `bridge bench`: they measure and compare, and judge nothing."""
