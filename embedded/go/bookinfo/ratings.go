package main

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// What the versions other than v1 do to half of the requests, or half of the time.
const (
	slowness         = 7 * time.Second
	unavailablePhase = time.Minute
	unhealthyPhase   = 15 * time.Minute
)

type rating struct {
	ID      int            `json:"id"`
	Ratings map[string]int `json:"ratings"`
}

// ratingsService remembers what was posted.
type ratingsService struct {
	version string
	began   time.Time
	lock    sync.Mutex
	posted  map[int]rating
}

func ratings() http.Handler {
	service := &ratingsService{version: setting("SERVICE_VERSION", "v1"), began: time.Now(), posted: map[int]rating{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", service.health)
	mux.HandleFunc("GET /ratings/{product...}", service.get)
	mux.HandleFunc("POST /ratings/{product...}", service.post)
	return mux
}

func (s *ratingsService) health(answer http.ResponseWriter, request *http.Request) {
	if s.version == "v-unhealthy" && s.oddPhase(unhealthyPhase) {
		send(answer, http.StatusInternalServerError, map[string]string{"status": "Ratings is not healthy"})
		return
	}
	healthy("Ratings")(answer, request)
}

func (s *ratingsService) get(answer http.ResponseWriter, request *http.Request) {
	product, ok := numeric(answer, request)
	if !ok {
		return
	}
	if s.version == "v-delayed" && rand.IntN(2) == 0 {
		time.Sleep(slowness)
	}
	if s.unavailable() {
		send(answer, http.StatusServiceUnavailable, map[string]string{"error": "Service unavailable"})
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	found, posted := s.posted[product]
	if !posted {
		found = rating{ID: product, Ratings: map[string]int{"Reviewer1": 5, "Reviewer2": 4}}
	}
	send(answer, http.StatusOK, found)
}

func (s *ratingsService) post(answer http.ResponseWriter, request *http.Request) {
	product, ok := numeric(answer, request)
	if !ok {
		return
	}
	given := rating{ID: product}
	if err := json.NewDecoder(request.Body).Decode(&given.Ratings); err != nil {
		send(answer, http.StatusBadRequest, map[string]string{"error": "please provide valid ratings JSON"})
		return
	}
	s.lock.Lock()
	s.posted[product] = given
	s.lock.Unlock()
	send(answer, http.StatusOK, given)
}

func (s *ratingsService) unavailable() bool {
	switch s.version {
	case "v-faulty":
		return rand.IntN(2) == 0
	case "v-unavailable":
		return s.oddPhase(unavailablePhase)
	case "v-unhealthy":
		return s.oddPhase(unhealthyPhase)
	}
	return false
}

func (s *ratingsService) oddPhase(length time.Duration) bool {
	return time.Since(s.began)/length%2 == 1
}

func numeric(answer http.ResponseWriter, request *http.Request) (int, bool) {
	product, err := strconv.Atoi(request.PathValue("product"))
	if err != nil {
		send(answer, http.StatusBadRequest, map[string]string{"error": "please provide numeric product ID"})
	}
	return product, err == nil
}
