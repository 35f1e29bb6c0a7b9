//! The bugs that are planted on purpose.
