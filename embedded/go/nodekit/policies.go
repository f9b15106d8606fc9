package main

import (
	"errors"
	"fmt"
	"log"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// calm is how long nothing must change before rules are written: what belongs together comes together.
const calm = 20 * time.Millisecond

// networkPolicies enforces NetworkPolicies by rules of nftables, which nft, on PATH, takes.
func networkPolicies(arguments []string) error {
	if len(arguments) != 4 {
		return errors.New("usage: nodekit network-policies API-SERVER CA CERTIFICATE KEY")
	}
	cluster, err := newAPI(arguments)
	if err != nil {
		return err
	}
	changes := make(chan struct{}, 1)
	pods, namespaces, policies := newStore[pod](changes), newStore[namespace](changes), newStore[policy](changes)
	go follow(cluster, "/api/v1/pods", pods)
	go follow(cluster, "/api/v1/namespaces", namespaces)
	go follow(cluster, "/apis/networking.k8s.io/v1/networkpolicies", policies)
	<-pods.known
	<-namespaces.known
	<-policies.known
	written := ""
	for {
		state := state{pods: pods.all(), policies: policies.all(), namespaces: map[string]map[string]string{}}
		for _, each := range namespaces.all() {
			state.namespaces[each.Metadata.Name] = each.Metadata.Labels
		}
		if rules := state.rules(); rules != written {
			if err := apply(rules); err != nil {
				log.Print(err)
				time.Sleep(retryPause)
				continue
			}
			written = rules
		}
		<-changes
		time.Sleep(calm)
	}
}

func apply(rules string) error {
	command := exec.Command("nft", "-f", "-")
	command.Stdin = strings.NewReader(rules)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, output)
	}
	return nil
}

// object is anything that has a place in the cluster.
type object interface{ place() string }

// store has the objects of one kind as they are now, and says when that changes.
type store[T object] struct {
	lock    sync.Mutex
	objects map[string]T
	changes chan<- struct{}
	known   chan struct{} // closed once all have been listed
}

func newStore[T object](changes chan<- struct{}) *store[T] {
	return &store[T]{objects: map[string]T{}, changes: changes, known: make(chan struct{})}
}

func (s *store[T]) begin(all []T) error {
	s.lock.Lock()
	s.objects = map[string]T{}
	for _, each := range all {
		s.objects[each.place()] = each
	}
	s.lock.Unlock()
	select {
	case <-s.known:
	default:
		close(s.known)
	}
	s.tell()
	return nil
}

func (s *store[T]) changed(event string, object T) error {
	s.lock.Lock()
	if event == "DELETED" {
		delete(s.objects, object.place())
	} else {
		s.objects[object.place()] = object
	}
	s.lock.Unlock()
	s.tell()
	return nil
}

func (s *store[T]) tell() {
	select {
	case s.changes <- struct{}{}:
	default: // it is told already
	}
}

func (s *store[T]) all() []T {
	s.lock.Lock()
	defer s.lock.Unlock()
	found := make([]T, 0, len(s.objects))
	for _, each := range s.objects {
		found = append(found, each)
	}
	return found
}
