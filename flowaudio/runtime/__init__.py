"""What runs: rings between threads, stages that own one driver each, and the pipeline that joins them."""
