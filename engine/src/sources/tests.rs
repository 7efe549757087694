//! Fetching, against servers of the tests.
