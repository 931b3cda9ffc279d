"""10_monitoring: has production drifted since the test, and is it time to re-tune?"""
