package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	defaultRegistry = "docker.io"
	nameAnnotation  = "io.containerd.image.name"
	octets          = "application/octet-stream"
)

var (
	referencePath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs)/([^/]+)$`)
	digestForm    = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// registry answers pulls, for whichever registry's name, with the images of one OCI image layout.
//
// https://github.com/opencontainers/distribution-spec; containerd names the registry it meant in the query's `ns`.
func registry(arguments []string) error {
	if len(arguments) != 2 {
		return errors.New("usage: nodekit registry LAYOUT ADDRESS")
	}
	layout := layout(arguments[0])
	if _, err := layout.index(); err != nil {
		return err
	}
	return http.ListenAndServe(arguments[1], layout)
}

// layout is the folder of an OCI image layout.
type layout string

type entry struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Annotations map[string]string `json:"annotations"`
}

// index is read anew for each manifest that is asked for, so that images added later are found.
func (folder layout) index() ([]entry, error) {
	content, err := os.ReadFile(filepath.Join(string(folder), "index.json"))
	if err != nil {
		return nil, err
	}
	var index struct{ Manifests []entry }
	return index.Manifests, json.Unmarshal(content, &index)
}

func (folder layout) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	if strings.TrimSuffix(request.URL.Path, "/") == "/v2" {
		answer.WriteHeader(http.StatusOK)
		return
	}
	asked := referencePath.FindStringSubmatch(request.URL.Path)
	if asked == nil || (request.Method != http.MethodGet && request.Method != http.MethodHead) {
		refuse(answer, http.StatusNotFound, "UNSUPPORTED", "this registry only answers pulls")
		return
	}
	digest, mediaType := asked[3], octets
	if asked[2] == "manifests" {
		found, err := folder.manifest(request.URL.Query().Get("ns"), asked[1], asked[3])
		if err != nil {
			log.Print(err)
			refuse(answer, http.StatusNotFound, "MANIFEST_UNKNOWN", err.Error())
			return
		}
		digest, mediaType = found.Digest, found.MediaType
	}
	if !digestForm.MatchString(digest) {
		refuse(answer, http.StatusBadRequest, "DIGEST_INVALID", digest)
		return
	}
	answer.Header().Set("Content-Type", mediaType)
	answer.Header().Set("Docker-Content-Digest", digest)
	http.ServeFile(answer, request, filepath.Join(string(folder), "blobs", "sha256", strings.TrimPrefix(digest, "sha256:")))
}

func (folder layout) manifest(host, repository, reference string) (entry, error) {
	index, err := folder.index()
	if err != nil {
		return entry{}, err
	}
	if host == "" {
		host = defaultRegistry
	}
	name := host + "/" + repository + ":" + reference
	for _, each := range index {
		if each.Digest == reference || each.Annotations[nameAnnotation] == name {
			return each, nil
		}
	}
	return entry{}, fmt.Errorf("%s is not among the images of this machine's embedded cluster", name)
}

func refuse(answer http.ResponseWriter, status int, code, message string) {
	answer.Header().Set("Content-Type", "application/json")
	answer.WriteHeader(status)
	problem := map[string][]map[string]string{"errors": {{"code": code, "message": message}}}
	if err := json.NewEncoder(answer).Encode(problem); err != nil {
		log.Print(err)
	}
}
