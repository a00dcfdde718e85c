//! Claims held to what their provisioner can do.

use super::{Told, shipped};

fn ready(told: &Told, prefix: &str) -> (usize, usize) {
    let pods: Vec<_> = told.history.pods().filter(|pod| pod.name.starts_with(prefix)).collect();
    (pods.iter().filter(|pod| pod.ready.is_some()).count(), pods.len())
}

#[test]
fn the_chart_by_its_word_does_not_start_on_ebs() {
    let told = shipped("volumes");
    // The disk of the dicom pods is on one node; those elsewhere wait with the controller's words.
    let (ready_dicom, dicom) = ready(&told, "dicom-service-");
    assert!(ready_dicom >= 1 && ready_dicom < dicom, "{ready_dicom} of {dicom} dicom pods");
    let errors = told.events("FailedAttachVolume");
    assert_eq!(errors.len(), dicom - ready_dicom, "{errors:?}");
    let (_, pod, message) = &errors[0];
    assert!(pod.starts_with("dicom-service-"), "{pod}");
    let expected = "Multi-Attach error for volume \"pvc-dicom-cache\" Volume is already used by pod(s) dicom-service-";
    assert!(message.starts_with(expected), "{message}");
    // The claim of the models is refused: no ml pod is ever bound.
    let ml: Vec<_> =
        told.history.pods().filter(|pod| pod.name.starts_with("ml-service-")).collect();
    assert!(ml.len() >= 4 && ml.iter().all(|pod| pod.bound.is_none()), "{ml:?}");
    let (_, claim, message) = &told.events("ProvisioningFailed")[0];
    assert_eq!(claim, "production/ml-models");
    assert_eq!(
        message,
        "failed to provision volume with StorageClass \"fast-ssd\": rpc error: code = InvalidArgument \
         desc = Volume capabilities MULTI_NODE_MULTI_WRITER not supported. Only \
         AccessModes[ReadWriteOnce] supported."
    );
    // After 600 s the scheduler says why, and tries again.
    let said = &ml[0].unschedulable[0];
    assert_eq!(
        &*said.message,
        "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded"
    );
    // The databases' disks are their own: they run.
    assert_eq!(ready(&told, "postgresql-"), (3, 3));
    assert!(told.outcome.calls.begun > 0);
}
