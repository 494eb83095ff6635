package main

import (
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcd keeps the cluster's objects in one folder. It does not sync to disk: a lab that dies is thrown away.
func etcd() *cobra.Command {
	var dir, listen string
	command := &cobra.Command{
		Use:   "etcd",
		Short: "one etcd member without fsync, until SIGTERM",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return serveEtcd(dir, listen) },
	}
	command.Flags().StringVar(&dir, "dir", "etcd", "data folder")
	command.Flags().StringVar(&listen, "listen", "http://127.0.0.1:2379", "URL that clients use")
	return command
}

func serveEtcd(dir, listen string) error {
	client, err := url.Parse(listen)
	if err != nil {
		return err
	}
	// Port 0: the only member has no peers, but the library insists on a listener.
	peer, err := url.Parse("http://127.0.0.1:0")
	if err != nil {
		return err
	}
	config := embed.NewConfig()
	config.Dir = dir
	config.UnsafeNoFsync = true
	config.LogLevel = "warn"
	config.ListenClientUrls = []url.URL{*client}
	config.AdvertiseClientUrls = []url.URL{*client}
	config.ListenPeerUrls = []url.URL{*peer}

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	server, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer server.Close()
	select {
	case err := <-server.Err():
		return err
	case <-stop:
		return nil
	}
}
