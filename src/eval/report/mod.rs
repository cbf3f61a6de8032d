//! A finished run's record in, what people and machines read of it out. Each form stands in a file of its own and takes
//! a [`Report`](super::record::Report) and nothing else. Pure.
