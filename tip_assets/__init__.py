"""A waiter-tip prediction model, kept in production by monthly software-defined assets.

    landing/YYYY-MM/*.csv, *.csv.gz, *.parquet
        |
    raw_tips -> transformed_tips -> splits -> best_params -> trained_booster -> registered_model
                                      |                                          |   |
                                      +------------> drift_report  <-------------+   |
                                      +------------> drift_metrics <-------------+   |
                                                          |                          |
                                                          +---> production_model <---+

This package initialiser draws the graph; it holds no code.
"""
