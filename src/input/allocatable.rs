//! What each cloud leaves to pods of a machine: the formulas behind a node's allocatable resources
//! and its number of pods. A catalogue that states a figure wins over them.

use crate::scenario::Provider;

/// Pods of a node where nothing limits them further (kubelet `--max-pods`; GKE's default).
const DEFAULT_MAX_PODS: i64 = 110;
/// Pods of an AKS node with Azure CNI and a pod subnet, by default.
const AZURE_CNI_PODS: i64 = 30;
/// Every kubelet keeps this much memory free (`evictionHard: memory.available`) (MiB).
const EVICTION_MIB: i64 = 100;

/// Pods of a node. On EKS each gets an address of the machine's network interfaces: the first
/// address of each is the interface's own, and two pods use the host's network (amazon-eks-ami
/// nodeadm `eni_max_pods.go`). `enis` is interfaces and addresses of each, when known.
pub(super) fn max_pods(provider: Provider, enis: Option<(i64, i64)>) -> i64 {
    match (provider, enis) {
        (Provider::Eks, Some((interfaces, addresses))) => interfaces * (addresses - 1) + 2,
        (Provider::Eks, None) | (Provider::Gke, _) => DEFAULT_MAX_PODS,
        (Provider::Aks, _) => AZURE_CNI_PODS,
    }
}

/// Cores that pods may use, of so many (mCPU both).
pub(super) fn cpu_millis(provider: Provider, cpu_millis: i64) -> i64 {
    let reserved = match provider {
        Provider::Eks | Provider::Gke => share_of_cores(cpu_millis),
        Provider::Aks => azure_cores(cpu_millis),
    };
    (cpu_millis - reserved).max(0)
}

/// 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest
/// (amazon-eks-ami nodeadm `config.go`; GKE's published reservations are the same).
fn share_of_cores(cpu_millis: i64) -> i64 {
    let steps = [(0, 1000, 600), (1000, 2000, 100), (2000, 4000, 50), (4000, i64::MAX, 25)];
    steps
        .iter()
        .map(|&(from, to, per_10_000)| {
            (cpu_millis.min(to) - from).max(0).saturating_mul(per_10_000) / 10_000
        })
        .sum()
}

/// AKS: a table by cores; between its rows the next larger one.
fn azure_cores(cpu_millis: i64) -> i64 {
    let table = [(1, 60), (2, 100), (4, 140), (8, 180), (16, 260), (32, 420), (64, 740)];
    let row = table.iter().find(|(cores, _)| cpu_millis <= cores * 1000);
    row.map_or(740, |&(_, reserved)| reserved)
}

/// Memory that pods may use, of what the machine has (MiB both).
pub(super) fn memory_mib(provider: Provider, memory_mib: i64, max_pods: i64) -> i64 {
    let left = match provider {
        // The machine shows 7.5 % less than its size, as Karpenter assumes before it has seen one; then
        // the kubelet keeps 11 MiB a pod and 255 MiB (nodeadm `config.go`).
        Provider::Eks => memory_mib * 925 / 1000 - (11 * max_pods + 255),
        Provider::Gke => memory_mib - google_memory(memory_mib),
        // 20 MB a pod and 50 MB, at most a quarter (AKS from 1.29 on).
        Provider::Aks => {
            let megabytes = 20 * max_pods + 50;
            memory_mib - (megabytes * 1_000_000 / (1 << 20)).min(memory_mib / 4)
        }
    };
    (left - EVICTION_MIB).max(0)
}

/// GKE: 25 % of the first 4 GiB, 20 % of the next 4, 10 % of the next 8, 6 % of the next 112, 2 % of
/// the rest; 255 MiB of a machine below 1 GiB.
fn google_memory(memory_mib: i64) -> i64 {
    const GIB: i64 = 1024;
    if memory_mib < GIB {
        return 255;
    }
    let steps = [
        (0, 4 * GIB, 25),
        (4 * GIB, 8 * GIB, 20),
        (8 * GIB, 16 * GIB, 10),
        (16 * GIB, 128 * GIB, 6),
        (128 * GIB, i64::MAX, 2),
    ];
    steps
        .iter()
        .map(|&(from, to, percent)| (memory_mib.min(to) - from).max(0) * percent / 100)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// amazon-eks-ami's own examples, and the limits of Karpenter's documentation.
    #[test]
    fn eks_nodes_have_what_nodeadm_leaves() {
        let rows = [
            // cores, MiB, interfaces and addresses, pods, mCPU, MiB
            (2, 8_192, (3, 10), 29, 1_930, 6_903),
            (4, 16_384, (4, 15), 58, 3_920, 14_162),
            (8, 32_768, (4, 15), 58, 7_910, 29_317),
            (16, 65_536, (8, 30), 234, 15_890, 57_691),
            (48, 196_608, (8, 30), 234, 47_810, 178_933),
        ];
        for (cores, mib, enis, pods, millis, left) in rows {
            assert_eq!(max_pods(Provider::Eks, Some(enis)), pods);
            assert_eq!(cpu_millis(Provider::Eks, cores * 1000), millis);
            let found = memory_mib(Provider::Eks, mib, pods);
            assert!((found - left).abs() <= 1, "{mib} MiB: {found}, not {left}");
        }
        assert_eq!(max_pods(Provider::Eks, None), 110);
    }

    #[test]
    fn gke_and_aks_nodes_have_what_their_documents_say() {
        // 15 GiB: 1024 + 819 + 716 reserved and 100 kept free.
        assert_eq!(memory_mib(Provider::Gke, 15_360, 110), 12_701);
        assert_eq!(cpu_millis(Provider::Gke, 16_000), 15_890);
        assert_eq!(max_pods(Provider::Gke, None), 110);
        // 30 pods: 650 MB = 619 MiB.
        assert_eq!(memory_mib(Provider::Aks, 16_384, 30), 16_384 - 619 - 100);
        // 250 pods would take 5,050 MB: a quarter of 16 GiB is less.
        assert_eq!(memory_mib(Provider::Aks, 16_384, 250), 16_384 - 4_096 - 100);
        assert_eq!(cpu_millis(Provider::Aks, 4_000), 3_860);
        assert_eq!(cpu_millis(Provider::Aks, 96_000), 95_260);
        assert_eq!(max_pods(Provider::Aks, None), 30);
    }

    #[test]
    fn tiny_machines_leave_nothing_rather_than_less() {
        for provider in [Provider::Eks, Provider::Gke, Provider::Aks] {
            assert_eq!(memory_mib(provider, 0, 30), 0);
            assert_eq!(cpu_millis(provider, 0), 0);
        }
    }
}
