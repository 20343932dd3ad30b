// The storage of the embedded cluster: makes a folder (or a tmpfs) on the node for every claim of its storage classes
// and removes it with the volume.
//
//	provisioner --kubeconfig FILE --root FOLDER
//
// Volumes are of type `local`, so the kubelet gives them to a pod's fsGroup as it does with a disk; a folder belongs to
// root until then, and a chart that forgets fsGroup fails here as it would in production.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// What storage classes name as their provisioner.
const name = "model-management/local"

type provisioner struct {
	root string
}

// Provision makes a folder, or with the class parameter `medium: memory` a tmpfs of exactly the size that is claimed,
// which really runs full.
func (p *provisioner) Provision(_ context.Context, options controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	fail := func(err error) (*v1.PersistentVolume, controller.ProvisioningState, error) {
		return nil, controller.ProvisioningFinished, err
	}
	claim := options.PVC.Spec
	if claim.VolumeMode != nil && *claim.VolumeMode == v1.PersistentVolumeBlock {
		return fail(fmt.Errorf("volumeMode Block is not offered here: use Filesystem"))
	}
	if options.SelectedNodeName == "" {
		return fail(fmt.Errorf("no node selected: the storage class needs volumeBindingMode WaitForFirstConsumer"))
	}
	size := claim.Resources.Requests[v1.ResourceStorage]
	folder := filepath.Join(p.root, options.PVName)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fail(err)
	}
	if options.StorageClass.Parameters["medium"] == "memory" {
		// A second attempt finds the first one's mount, which is as good.
		if !mounted(folder) {
			if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("mode=0755,size=%d", size.Value())); err != nil {
				return fail(fmt.Errorf("tmpfs for %s: %w", options.PVName, err))
			}
		}
	}
	volume := &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *options.StorageClass.ReclaimPolicy,
			AccessModes:                   claim.AccessModes,
			MountOptions:                  options.StorageClass.MountOptions,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: size},
			PersistentVolumeSource:        v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: folder}},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchExpressions: []v1.NodeSelectorRequirement{{
					Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{options.SelectedNodeName},
				}},
			}}}},
		},
	}
	return volume, controller.ProvisioningFinished, nil
}

// Delete removes what Provision made.
func (p *provisioner) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	folder := filepath.Join(p.root, volume.Name)
	if mounted(folder) {
		if err := syscall.Unmount(folder, 0); err != nil {
			return fmt.Errorf("unmount %s: %w", folder, err)
		}
	}
	return os.RemoveAll(folder)
}

// A mount point is on another device than the folder that holds it.
func mounted(folder string) bool {
	var inner, outer syscall.Stat_t
	if syscall.Stat(folder, &inner) != nil || syscall.Stat(filepath.Dir(folder), &outer) != nil {
		return false
	}
	return inner.Dev != outer.Dev
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	root := flag.String("root", "", "folder that gets a folder for each volume")
	klog.InitFlags(nil)
	flag.Parse()
	if err := serve(*kubeconfig, strings.TrimRight(*root, "/")); err != nil {
		fmt.Fprintf(os.Stderr, "provisioner: %v\n", err)
		os.Exit(1)
	}
}

func serve(kubeconfig, root string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	options := []func(*controller.ProvisionController) error{
		controller.LeaderElection(false),
		controller.CreateProvisionedPVBackoff(wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Steps: 8}),
	}
	controller.NewProvisionController(ctx, client, name, &provisioner{root: root}, options...).Run(ctx)
	return nil
}
