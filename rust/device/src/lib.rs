//! The audio callbacks of antiphon.
