"""What benchmarks and tests share: an app to start, visitors, a browser, generated bad input."""
