package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// How long a lab's certificates are good: longer than any lab lives.
const validity = 365 * 24 * time.Hour

// certificates writes every key and certificate of one cluster to a folder, as NAME.crt and NAME.key.
func certificates() *cobra.Command {
	var dir, address string
	command := &cobra.Command{
		Use:   "certificates",
		Short: "the keys and certificates of one cluster",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return writeCertificates(dir, address) },
	}
	command.Flags().StringVar(&dir, "dir", "pki", "folder to write to")
	command.Flags().StringVar(&address, "address", "127.0.0.1", "IP address of the API server")
	return command
}

func writeCertificates(dir, address string) error {
	ca, err := newAuthority(dir, "ca")
	if err != nil {
		return err
	}
	// Its own authority: the API server believes whatever user a holder of such a certificate names.
	front, err := newAuthority(dir, "front-proxy-ca")
	if err != nil {
		return err
	}
	if err := ca.serve(dir, "apiserver", address); err != nil {
		return err
	}
	if err := ca.identify(dir, "admin", "admin", "system:masters"); err != nil {
		return err
	}
	if err := ca.identify(dir, "kubelet-client", "kube-apiserver-kubelet-client", "system:masters"); err != nil {
		return err
	}
	if err := front.identify(dir, "front-proxy", "front-proxy-client"); err != nil {
		return err
	}
	return newServiceAccountKey(dir)
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newAuthority(dir, name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	self := &authority{template, key}
	der, err := self.sign(template, key.Public())
	if err != nil {
		return nil, err
	}
	if self.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return self, write(dir, name, der, key)
}

// serve makes the certificate of the API server, under every name that its clients use.
func (ca *authority) serve(dir, name, address string) error {
	return ca.issue(dir, name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.ParseIP(address), net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)},
		DNSNames: []string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local",
		},
	})
}

// identify makes the certificate of a client.
func (ca *authority) identify(dir, name, user string, groups ...string) error {
	return ca.issue(dir, name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (ca *authority) issue(dir, name string, template *x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := ca.sign(template, key.Public())
	if err != nil {
		return err
	}
	return write(dir, name, der, key)
}

func (ca *authority) sign(template *x509.Certificate, public crypto.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(validity)
	return x509.CreateCertificate(rand.Reader, template, ca.certificate, public, ca.key)
}

// newServiceAccountKey makes the pair that signs and checks the tokens of pods.
func newServiceAccountKey(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, "service-account.pub"), text, 0o644); err != nil {
		return err
	}
	return writeKey(dir, "service-account", key)
}

func write(dir, name string, der []byte, key crypto.Signer) error {
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, name+".crt"), certificate, 0o644); err != nil {
		return err
	}
	return writeKey(dir, name, key)
}

func writeKey(dir, name string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return os.WriteFile(filepath.Join(dir, name+".key"), text, 0o600)
}
