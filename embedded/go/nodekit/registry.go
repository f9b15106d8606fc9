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

// registry answers pulls, for whichever registry's name, with the images of OCI image layouts, the first that has it.
//
// https://github.com/opencontainers/distribution-spec; containerd names the registry it meant in the query's `ns`.
func registry(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("usage: nodekit registry ADDRESS LAYOUT...")
	}
	return http.ListenAndServe(arguments[0], layouts(arguments[1:]))
}

// layouts are the folders of OCI image layouts.
type layouts []string

type entry struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Annotations map[string]string `json:"annotations"`
}

// index is read anew for each manifest that is asked for, so that images added later are found.
func (folders layouts) index() ([]entry, error) {
	var all []entry
	for _, folder := range folders {
		content, err := os.ReadFile(filepath.Join(folder, "index.json"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var index struct{ Manifests []entry }
		if err := json.Unmarshal(content, &index); err != nil {
			return nil, err
		}
		all = append(all, index.Manifests...)
	}
	return all, nil
}

func (folders layouts) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
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
		found, err := folders.manifest(request.URL.Query().Get("ns"), asked[1], asked[3])
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
	http.ServeFile(answer, request, folders.blob(strings.TrimPrefix(digest, "sha256:")))
}

// blob is the path of a blob, in the last of the layouts where it is in none.
func (folders layouts) blob(digest string) string {
	path := ""
	for _, folder := range folders {
		path = filepath.Join(folder, "blobs", "sha256", digest)
		if _, err := os.Stat(path); err == nil {
			break
		}
	}
	return path
}

func (folders layouts) manifest(host, repository, reference string) (entry, error) {
	index, err := folders.index()
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
