package main

import (
	"encoding/json"
	"slices"
)

type pod struct {
	Metadata metadata
	Spec     struct {
		HostNetwork                bool
		Containers, InitContainers []struct {
			Ports []struct {
				Name, Protocol string
				ContainerPort  int
			}
		}
	}
	Status struct{ Phase, PodIP string }
}

type namespace struct{ Metadata metadata }

type policy struct {
	Metadata metadata
	Spec     struct {
		PodSelector     selector
		PolicyTypes     []string
		Ingress, Egress []policyRule
	}
}

// policyRule is a rule of either direction; the peers are in From or in To.
type policyRule struct {
	Ports    []policyPort
	From, To []peer
}

type policyPort struct {
	Protocol string
	Port     *intOrName
	EndPort  int
}

type peer struct {
	PodSelector, NamespaceSelector *selector
	IPBlock                        *struct {
		CIDR   string
		Except []string
	}
}

func (p pod) place() string       { return p.Metadata.Namespace + "/" + p.Metadata.Name }
func (n namespace) place() string { return n.Metadata.Name }
func (p policy) place() string    { return p.Metadata.Namespace + "/" + p.Metadata.Name }

// guarded: whether the pod has an address of its own that policies can be about.
func (p pod) guarded() bool {
	return p.Status.PodIP != "" && !p.Spec.HostNetwork && p.Status.Phase != "Succeeded" && p.Status.Phase != "Failed"
}

// port is the number of a port that the pod has a name for; 0 where it has none.
func (p pod) port(name, protocol string) int {
	for _, container := range append(slices.Clone(p.Spec.Containers), p.Spec.InitContainers...) {
		for _, port := range container.Ports {
			if port.Name == name && protocolOf(port.Protocol) == protocol {
				return port.ContainerPort
			}
		}
	}
	return 0
}

// is: whether the policy is about a direction, "Ingress" or "Egress".
func (p policy) is(direction string) bool {
	if len(p.Spec.PolicyTypes) > 0 {
		return slices.Contains(p.Spec.PolicyTypes, direction)
	}
	return direction == "Ingress" || len(p.Spec.Egress) > 0
}

func protocolOf(given string) string {
	if given == "" {
		return "TCP"
	}
	return given
}

// intOrName is a port's number or name.
type intOrName struct {
	number int
	name   string
}

func (i *intOrName) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &i.name)
	}
	return json.Unmarshal(data, &i.number)
}

// selector is a label selector; an empty one matches everything.
type selector struct {
	MatchLabels      map[string]string
	MatchExpressions []struct {
		Key, Operator string
		Values        []string
	}
}

func (s selector) matches(labels map[string]string) bool {
	for name, value := range s.MatchLabels {
		if found, has := labels[name]; !has || found != value {
			return false
		}
	}
	for _, each := range s.MatchExpressions {
		value, has := labels[each.Key]
		among := has && slices.Contains(each.Values, value)
		switch {
		case each.Operator == "In" && !among,
			each.Operator == "NotIn" && among,
			each.Operator == "Exists" && !has,
			each.Operator == "DoesNotExist" && has:
			return false
		}
	}
	return true
}
