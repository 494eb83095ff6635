// Command kubelab is a Kubernetes for tests in one program: etcd, kube-apiserver, kube-controller-manager,
// kube-scheduler, kubelet, kube-proxy and kubectl, each as a sub-command that takes the flags of the original.
// The harness in e2e/src/lab starts one process for each, in a network namespace that this program knows nothing of.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// A constructor and not a command each: the originals set global state while they are made.
var commands = map[string]func() *cobra.Command{
	"certificates": certificates,
	"etcd":         etcd,
	"apiserver":    apiserver.NewAPIServerCommand,
	"manager":      manager.NewControllerManagerCommand,
	"scheduler":    func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":      func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"proxy":        proxy.NewProxyCommand,
	"kubectl":      kubectl.NewDefaultKubectlCommand,
}

const usage = "usage: kubelab certificates|etcd|apiserver|manager|scheduler|kubelet|proxy|kubectl [flags]"

func main() {
	// A link named kubectl is kubectl.
	if name := filepath.Base(os.Args[0]); name == "kubectl" {
		os.Exit(cli.Run(commands[name]()))
	}
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(64)
	}
	command, known := commands[os.Args[1]]
	if !known {
		fmt.Fprintf(os.Stderr, "kubelab: there is no command %q\n%s\n", os.Args[1], usage)
		os.Exit(64)
	}
	// The originals read os.Args themselves and take everything after the program's name.
	os.Args = os.Args[1:]
	os.Exit(cli.Run(command()))
}
