package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const validity = 10 * 365 * 24 * time.Hour

// certificateRequest is one certificate to sign, as the caller lists them on standard input.
type certificateRequest struct {
	Name          string   // of the files, NAME.crt and NAME.key
	CommonName    string   // the user that a client is
	Organizations []string // the groups that a client is in
	Hosts         []string // what a server is called: names and addresses
}

// certificates writes ca.crt, ca.key, service-accounts.key and a pair of files for each request into a folder.
func certificates(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("usage: nodekit certificates FOLDER < REQUESTS.json")
	}
	folder := arguments[0]
	var requests []certificateRequest
	if err := json.NewDecoder(os.Stdin).Decode(&requests); err != nil {
		return err
	}
	authority := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "embedded-cluster"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(validity),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	authorityKey, err := writeKey(filepath.Join(folder, "ca.key"))
	if err != nil {
		return err
	}
	if err := writeCertificate(filepath.Join(folder, "ca.crt"), authority, authority, authorityKey, authorityKey); err != nil {
		return err
	}
	if _, err := writeKey(filepath.Join(folder, "service-accounts.key")); err != nil {
		return err
	}
	for index, request := range requests {
		key, err := writeKey(filepath.Join(folder, request.Name+".key"))
		if err != nil {
			return err
		}
		leaf := request.template(int64(index + 2))
		if err := writeCertificate(filepath.Join(folder, request.Name+".crt"), leaf, authority, key, authorityKey); err != nil {
			return err
		}
	}
	return nil
}

func (request certificateRequest) template(serial int64) *x509.Certificate {
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: request.CommonName, Organization: request.Organizations},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, host := range request.Hosts {
		if address := net.ParseIP(host); address != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, address)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	if len(request.Hosts) > 0 {
		leaf.ExtKeyUsage = append(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	return leaf
}

func writeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	content, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(path, "EC PRIVATE KEY", content, 0o600)
}

func writeCertificate(path string, leaf, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) error {
	content, err := x509.CreateCertificate(rand.Reader, leaf, parent, &key.PublicKey, parentKey)
	if err != nil {
		return err
	}
	return writePEM(path, "CERTIFICATE", content, 0o644)
}

func writePEM(path, kind string, content []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), mode)
}
