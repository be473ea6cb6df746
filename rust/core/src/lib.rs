//! The audio core of antiphon.
