package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

const policyTable = "network-policies"

// state is everything that decides which packets pass.
type state struct {
	pods       []pod
	policies   []policy
	namespaces map[string]map[string]string // labels by name
}

// rules is what nft is to be given: the table as a whole, in the place of the one before.
//
// A pod that some policy selects has a chain of its own for the direction, in which the policies' rules let packets
// return, and whose end drops the others. Answers pass, and so does what the node itself sends, such as probes.
func (s state) rules() string {
	slices.SortFunc(s.pods, func(a, b pod) int { return strings.Compare(a.place(), b.place()) })
	slices.SortFunc(s.policies, func(a, b policy) int { return strings.Compare(a.place(), b.place()) })
	var text strings.Builder
	fmt.Fprintf(&text, "table inet %s\ndelete table inet %s\ntable inet %s {\n", policyTable, policyTable, policyTable)
	ingress, egress := s.chains(&text, "Ingress"), s.chains(&text, "Egress")
	dispatch(&text, "to-pods", "daddr", ingress)
	dispatch(&text, "from-pods", "saddr", egress)
	text.WriteString("  chain forward {\n    type filter hook forward priority 10; policy accept;\n" +
		"    ct state established,related accept\n    jump from-pods\n    jump to-pods\n  }\n")
	text.WriteString("  chain input {\n    type filter hook input priority 10; policy accept;\n" +
		"    ct state established,related accept\n    jump from-pods\n  }\n}\n")
	return text.String()
}

// dispatch writes the chain that leads each guarded pod's packets to the pod's own chain.
func dispatch(text *strings.Builder, name, side string, chains map[string]string) {
	fmt.Fprintf(text, "  chain %s {\n", name)
	if len(chains) > 0 {
		var elements []string
		for address, chain := range chains {
			elements = append(elements, fmt.Sprintf("%s : jump %s", address, chain))
		}
		slices.Sort(elements)
		fmt.Fprintf(text, "    ip %s vmap { %s }\n", side, strings.Join(elements, ", "))
	}
	text.WriteString("  }\n")
}

// chains writes a chain for each pod that policies of a direction select, and returns their names by address.
func (s state) chains(text *strings.Builder, direction string) map[string]string {
	chains := map[string]string{}
	for _, pod := range s.pods {
		if !pod.guarded() {
			continue
		}
		selecting := s.selecting(pod, direction)
		if len(selecting) == 0 {
			continue
		}
		name := fmt.Sprintf("%s-%s", strings.ToLower(direction), strings.ReplaceAll(pod.Status.PodIP, ".", "-"))
		chains[pod.Status.PodIP] = name
		fmt.Fprintf(text, "  chain %s {\n", name)
		for _, policy := range selecting {
			for _, rule := range policy.rulesOf(direction) {
				for _, match := range s.matches(policy, rule, pod, direction) {
					fmt.Fprintf(text, "    %s return\n", match)
				}
			}
		}
		text.WriteString("    drop\n  }\n")
	}
	return chains
}

func (s state) selecting(pod pod, direction string) []policy {
	return slices.DeleteFunc(slices.Clone(s.policies), func(policy policy) bool {
		return !policy.is(direction) || policy.Metadata.Namespace != pod.Metadata.Namespace ||
			!policy.Spec.PodSelector.matches(pod.Metadata.Labels)
	})
}

func (p policy) rulesOf(direction string) []policyRule {
	if direction == "Ingress" {
		return p.Spec.Ingress
	}
	return p.Spec.Egress
}

// matches are expressions of nft, each of which lets a packet pass.
func (s state) matches(policy policy, rule policyRule, pod pod, direction string) []string {
	peers, side := rule.From, "saddr"
	if direction == "Egress" {
		peers, side = rule.To, "daddr"
	}
	if len(peers) == 0 {
		return withPorts("", rule.Ports, pod.port, direction == "Ingress")
	}
	var found []string
	for _, peer := range peers {
		if peer.IPBlock != nil {
			found = append(found, s.ofBlock(peer, rule, pod, side)...)
			continue
		}
		for _, other := range s.pods {
			if other.guarded() && s.selects(peer, policy.Metadata.Namespace, other) {
				named := pod.port
				if direction == "Egress" {
					named = other.port
				}
				place := fmt.Sprintf("ip %s %s", side, other.Status.PodIP)
				found = append(found, withPorts(place, rule.Ports, named, true)...)
			}
		}
	}
	return found
}

func (s state) ofBlock(peer peer, rule policyRule, pod pod, side string) []string {
	block, err := netip.ParsePrefix(peer.IPBlock.CIDR)
	if err != nil || !block.Addr().Is4() {
		return nil // the cluster's pods have no other addresses
	}
	place := fmt.Sprintf("ip %s %s", side, block.Masked())
	if len(peer.IPBlock.Except) > 0 {
		place += fmt.Sprintf(" ip %s != { %s }", side, strings.Join(peer.IPBlock.Except, ", "))
	}
	return withPorts(place, rule.Ports, pod.port, side == "saddr")
}

// selects: whether a peer that is not a block of addresses means a pod.
func (s state) selects(peer peer, namespace string, other pod) bool {
	if peer.NamespaceSelector == nil {
		if other.Metadata.Namespace != namespace {
			return false
		}
	} else if !peer.NamespaceSelector.matches(s.namespaces[other.Metadata.Namespace]) {
		return false
	}
	return peer.PodSelector == nil || peer.PodSelector.matches(other.Metadata.Labels)
}

// withPorts adds a rule's ports to an expression: one expression for each port, or the same where there are none.
// Names are known only where it is known whose port it is.
func withPorts(place string, ports []policyPort, named func(name, protocol string) int, known bool) []string {
	if len(ports) == 0 {
		return []string{strings.TrimSpace(place)}
	}
	var found []string
	for _, port := range ports {
		protocol := protocolOf(port.Protocol)
		match := ""
		switch {
		case port.Port == nil:
			match = "meta l4proto " + strings.ToLower(protocol)
		case port.Port.name != "":
			number := 0
			if known {
				number = named(port.Port.name, protocol)
			}
			if number == 0 {
				continue
			}
			match = fmt.Sprintf("%s dport %d", strings.ToLower(protocol), number)
		case port.EndPort > port.Port.number:
			match = fmt.Sprintf("%s dport %d-%d", strings.ToLower(protocol), port.Port.number, port.EndPort)
		default:
			match = fmt.Sprintf("%s dport %d", strings.ToLower(protocol), port.Port.number)
		}
		found = append(found, strings.TrimSpace(place+" "+match))
	}
	return found
}
