//! `antiphon._native`.
use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    use super::*;
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
