package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"
	"os"
	"time"
)

const (
	watchSeconds = 300
	retryPause   = time.Second
)

// loadBalancers gives every Service of type LoadBalancer an address of its own from a range inside the cluster;
// kube-proxy makes it answer.
func loadBalancers(arguments []string) error {
	if len(arguments) != 5 {
		return errors.New("usage: nodekit load-balancers API-SERVER CA CERTIFICATE KEY RANGE")
	}
	addresses, err := netip.ParsePrefix(arguments[4])
	if err != nil {
		return err
	}
	client, err := apiClient(arguments[1], arguments[2], arguments[3])
	if err != nil {
		return err
	}
	controller := &controller{server: arguments[0], client: client, addresses: addresses}
	for {
		if err := controller.follow(); err != nil {
			log.Print(err)
			time.Sleep(retryPause)
		}
	}
}

func apiClient(authority, certificate, key string) (*http.Client, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", authority)
	}
	configuration := &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: configuration}}, nil
}

type service struct {
	Metadata struct {
		Name, Namespace, UID, ResourceVersion string
	}
	Spec struct {
		Type              string
		LoadBalancerClass *string
	}
	Status struct {
		LoadBalancer struct {
			Ingress []struct{ IP string }
		}
	}
}

type controller struct {
	server    string
	client    *http.Client
	addresses netip.Prefix
	given     map[string]netip.Addr // by the Service's UID
}

// follow lists all Services and then watches them until the server ends the watch.
func (c *controller) follow() error {
	var list struct {
		Metadata struct{ ResourceVersion string }
		Items    []service
	}
	answer, err := c.request(http.MethodGet, "/api/v1/services", nil)
	if err != nil {
		return err
	}
	defer answer.Close()
	if err := json.NewDecoder(answer).Decode(&list); err != nil {
		return err
	}
	// What has an address keeps it, before any new one is given.
	c.given = map[string]netip.Addr{}
	for _, each := range list.Items {
		if address, found := c.addressOf(each); found {
			c.given[each.Metadata.UID] = address
		}
	}
	for _, each := range list.Items {
		if err := c.reconcile("MODIFIED", each); err != nil {
			return err
		}
	}
	return c.watch(list.Metadata.ResourceVersion)
}

func (c *controller) watch(version string) error {
	path := fmt.Sprintf("/api/v1/services?watch=true&resourceVersion=%s&timeoutSeconds=%d", version, watchSeconds)
	events, err := c.request(http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer events.Close()
	decoder := json.NewDecoder(events)
	for {
		var event struct {
			Type   string
			Object service
		}
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if event.Type == "ERROR" {
			return errors.New("the watch of Services ended: they are listed again")
		}
		if err := c.reconcile(event.Type, event.Object); err != nil {
			return err
		}
	}
}

// reconcile gives an address to a Service that is to have one and takes it from one that is not.
func (c *controller) reconcile(event string, found service) error {
	uid := found.Metadata.UID
	if event == "DELETED" {
		delete(c.given, uid)
		return nil
	}
	wanted := found.Spec.Type == "LoadBalancer" && found.Spec.LoadBalancerClass == nil
	current, has := c.addressOf(found)
	switch {
	case wanted && has:
		c.given[uid] = current
		return nil
	case wanted:
		address, err := c.free(uid)
		if err != nil {
			return err
		}
		c.given[uid] = address
		return c.write(found, []map[string]string{{"ip": address.String(), "ipMode": "VIP"}})
	case has:
		delete(c.given, uid)
		return c.write(found, nil)
	}
	return nil
}

func (c *controller) addressOf(found service) (netip.Addr, bool) {
	for _, each := range found.Status.LoadBalancer.Ingress {
		if address, err := netip.ParseAddr(each.IP); err == nil && c.addresses.Contains(address) {
			return address, true
		}
	}
	return netip.Addr{}, false
}

func (c *controller) free(uid string) (netip.Addr, error) {
	if address, given := c.given[uid]; given {
		return address, nil
	}
	taken := map[netip.Addr]bool{}
	for _, each := range c.given {
		taken[each] = true
	}
	for address := c.addresses.Addr().Next(); c.addresses.Contains(address); address = address.Next() {
		if !taken[address] {
			return address, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("all addresses of %s are given away", c.addresses)
}

func (c *controller) write(target service, ingress []map[string]string) error {
	patch := map[string]any{"status": map[string]any{"loadBalancer": map[string]any{"ingress": ingress}}}
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/services/%s/status", target.Metadata.Namespace, target.Metadata.Name)
	answer, err := c.request(http.MethodPatch, path, body)
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return err
	}
	return answer.Close()
}

var errGone = errors.New("not found")

func (c *controller) request(method, path string, body []byte) (io.ReadCloser, error) {
	request, err := http.NewRequest(method, c.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/merge-patch+json")
	answer, err := c.client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return nil, errGone
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 500))
	return nil, errors.Join(fmt.Errorf("%s %s: %s %s", method, path, answer.Status, text), err)
}
