//! Submit files and PBS scripts become job descriptions.
