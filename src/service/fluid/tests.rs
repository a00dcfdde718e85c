//! Laws of the fluid model.
