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
	"os"
	"strings"
	"time"
)

const (
	watchSeconds = 300
	retryPause   = time.Second
)

var errGone = errors.New("not found")

// api is the API server, which knows us by a certificate.
type api struct {
	server string
	client *http.Client
}

// newAPI takes the first arguments of a command: API-SERVER CA CERTIFICATE KEY.
func newAPI(arguments []string) (*api, error) {
	server, authority, certificate, key := arguments[0], arguments[1], arguments[2], arguments[3]
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
	return &api{server: server, client: &http.Client{Transport: &http.Transport{TLSClientConfig: configuration}}}, nil
}

// request sends one request and returns the answer's body; errGone where there is no such object.
func (a *api) request(method, path string, body []byte) (io.ReadCloser, error) {
	request, err := http.NewRequest(method, a.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/merge-patch+json")
	answer, err := a.client.Do(request)
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

// metadata is what this package reads of any object's.
type metadata struct {
	Name, Namespace, UID, ResourceVersion string
	Labels                                map[string]string
}

// watcher is told of the objects of one kind: first of all that there are, then of each that changes.
type watcher[T any] interface {
	begin(all []T) error
	changed(event string, object T) error
}

// follow tells a watcher of the objects at a path, for good; whatever fails is begun anew.
func follow[T any](cluster *api, path string, watcher watcher[T]) {
	for {
		if err := listAndWatch(cluster, path, watcher); err != nil {
			log.Print(err)
			time.Sleep(retryPause)
		}
	}
}

func listAndWatch[T any](cluster *api, path string, watcher watcher[T]) error {
	answer, err := cluster.request(http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer answer.Close()
	var list struct {
		Metadata metadata
		Items    []T
	}
	if err := json.NewDecoder(answer).Decode(&list); err != nil {
		return err
	}
	if err := watcher.begin(list.Items); err != nil {
		return err
	}
	query := fmt.Sprintf("watch=true&resourceVersion=%s&timeoutSeconds=%d", list.Metadata.ResourceVersion, watchSeconds)
	events, err := cluster.request(http.MethodGet, path+"?"+query, nil)
	if err != nil {
		return err
	}
	defer events.Close()
	decoder := json.NewDecoder(events)
	for {
		var event struct {
			Type   string
			Object T
		}
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if event.Type == "ERROR" {
			return fmt.Errorf("the watch of %s ended: all are listed again", strings.TrimPrefix(path, "/"))
		}
		if err := watcher.changed(event.Type, event.Object); err != nil {
			return err
		}
	}
}
