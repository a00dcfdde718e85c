//! Karpenter through a clock: what it does when, on hand-made clusters.
