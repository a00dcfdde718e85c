//! Claims and storage classes.

use super::{Example, Needs};
use crate::input::codes;

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        code: codes::SHARED_READ_WRITE_ONCE,
        needs: Needs::Objects,
        text: "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}
      volumes: [{name: cache, persistentVolumeClaim: {claimName: cache}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: cache}
spec:
  accessModes: [[[ReadWriteOnce]||[ReadWriteMany] ]]
  storageClassName: shared
  resources: {requests: {storage: 10Gi}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: efs.csi.aws.com
",
    },
    Example {
        code: codes::ACCESS_MODE,
        needs: Needs::Objects,
        text: "apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: models}
spec:
  accessModes: [ReadWriteMany]
  storageClassName: shared
  resources: {requests: {storage: 10Gi}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: [[ebs.csi.aws.com||efs.csi.aws.com]]
",
    },
    Example {
        code: codes::IN_TREE_PROVISIONER,
        needs: Needs::Objects,
        text: "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: [[kubernetes.io/aws-ebs||ebs.csi.aws.com]]
parameters: {type: gp3}
",
    },
    Example {
        code: codes::VOLUME_TYPE,
        needs: Needs::Objects,
        text: "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: ebs.csi.aws.com
parameters: {type: [[gp4||gp3]]}
",
    },
    Example {
        code: codes::VOLUME_IOPS,
        needs: Needs::Objects,
        text: "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: ebs.csi.aws.com
parameters: {type: io1, iopsPerGB: \"[[100||50]]\"}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: fast
  resources: {requests: {storage: 100Gi}}
",
    },
    Example {
        code: codes::VOLUME_SIZE,
        needs: Needs::Objects,
        text: "apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: big}
provisioner: ebs.csi.aws.com
parameters: {type: gp2}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: big
  resources: {requests: {storage: [[20Ti||16Ti]]}}
",
    },
    Example {
        code: codes::ATTACH_LIMIT,
        needs: Needs::Cluster,
        text: "# four nodes attach 31 volumes each, a fifth is tainted
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: [[80||10]]
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
        - name: db
          resources: {requests: {cpu: 10m, memory: 10Mi}, limits: {memory: 1Gi}}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
    - metadata: {name: log}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
",
    },
    Example {
        code: codes::ROLLOUT_NEEDS_VOLUME,
        needs: Needs::Objects,
        text: "apiVersion: apps/v1
kind: Deployment
metadata: {name: wiki}
spec:
  replicas: 1
  strategy: {type: [[RollingUpdate||Recreate]]}
  selector: {matchLabels: {app: wiki}}
  template:
    metadata: {labels: {app: wiki}}
    spec:
      containers:
        - name: wiki
          resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}
      volumes: [{name: data, persistentVolumeClaim: {claimName: wiki}}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: wiki}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
",
    },
];
