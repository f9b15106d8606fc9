package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
)

// loadBalancers gives every Service of type LoadBalancer an address of its own from a range inside the cluster;
// kube-proxy makes it answer.
func loadBalancers(arguments []string) error {
	if len(arguments) != 5 {
		return errors.New("usage: nodekit load-balancers API-SERVER CA CERTIFICATE KEY RANGE")
	}
	cluster, err := newAPI(arguments)
	if err != nil {
		return err
	}
	addresses, err := netip.ParsePrefix(arguments[4])
	if err != nil {
		return err
	}
	follow(cluster, "/api/v1/services", &balancers{cluster: cluster, addresses: addresses})
	return nil
}

type service struct {
	Metadata metadata
	Spec     struct {
		Type              string
		LoadBalancerClass *string
	}
	Status struct {
		LoadBalancer struct {
			Ingress []struct{ IP string }
		}
	}
}

type balancers struct {
	cluster   *api
	addresses netip.Prefix
	given     map[string]netip.Addr // by the Service's UID
}

// begin lets what has an address keep it, before any new one is given.
func (b *balancers) begin(all []service) error {
	b.given = map[string]netip.Addr{}
	for _, each := range all {
		if address, found := b.addressOf(each); found {
			b.given[each.Metadata.UID] = address
		}
	}
	for _, each := range all {
		if err := b.changed("MODIFIED", each); err != nil {
			return err
		}
	}
	return nil
}

// changed gives an address to a Service that is to have one and takes it from one that is not.
func (b *balancers) changed(event string, found service) error {
	uid := found.Metadata.UID
	if event == "DELETED" {
		delete(b.given, uid)
		return nil
	}
	wanted := found.Spec.Type == "LoadBalancer" && found.Spec.LoadBalancerClass == nil
	current, has := b.addressOf(found)
	switch {
	case wanted && has:
		b.given[uid] = current
		return nil
	case wanted:
		address, err := b.free(uid)
		if err != nil {
			return err
		}
		b.given[uid] = address
		return b.write(found, []map[string]string{{"ip": address.String(), "ipMode": "VIP"}})
	case has:
		delete(b.given, uid)
		return b.write(found, nil)
	}
	return nil
}

func (b *balancers) addressOf(found service) (netip.Addr, bool) {
	for _, each := range found.Status.LoadBalancer.Ingress {
		if address, err := netip.ParseAddr(each.IP); err == nil && b.addresses.Contains(address) {
			return address, true
		}
	}
	return netip.Addr{}, false
}

func (b *balancers) free(uid string) (netip.Addr, error) {
	if address, given := b.given[uid]; given {
		return address, nil
	}
	taken := map[netip.Addr]bool{}
	for _, each := range b.given {
		taken[each] = true
	}
	for address := b.addresses.Addr().Next(); b.addresses.Contains(address); address = address.Next() {
		if !taken[address] {
			return address, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("all addresses of %s are given away", b.addresses)
}

func (b *balancers) write(target service, ingress []map[string]string) error {
	patch := map[string]any{"status": map[string]any{"loadBalancer": map[string]any{"ingress": ingress}}}
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/services/%s/status", target.Metadata.Namespace, target.Metadata.Name)
	answer, err := b.cluster.request(http.MethodPatch, path, body)
	if errors.Is(err, errGone) {
		return nil
	}
	if err != nil {
		return err
	}
	return answer.Close()
}
