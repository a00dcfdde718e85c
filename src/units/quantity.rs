//! Placeholder: the Kubernetes quantity grammar arrives with the HPA.
