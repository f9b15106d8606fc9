package main

import (
	"log"
	"net/http"
	"strconv"
	"time"
)

// How long reviews waits for ratings, which is the error that Istio's task on injected faults finds.
const (
	patience    = 10 * time.Second
	redPatience = 2500 * time.Millisecond
)

type stars struct {
	Stars int    `json:"stars,omitempty"`
	Color string `json:"color,omitempty"`
	Error string `json:"error,omitempty"`
}

type review struct {
	Reviewer string `json:"reviewer"`
	Text     string `json:"text"`
	Rating   *stars `json:"rating,omitempty"`
}

type reviewsOfBook struct {
	ID          string   `json:"id"`
	PodName     string   `json:"podname"`
	ClusterName string   `json:"clustername"`
	Reviews     []review `json:"reviews"`
}

var texts = []review{
	{Reviewer: "Reviewer1", Text: "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!"},
	{Reviewer: "Reviewer2", Text: "Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare."},
}

func reviews() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", healthy("Reviews"))
	mux.HandleFunc("GET /reviews/{product}", func(answer http.ResponseWriter, request *http.Request) {
		product := request.PathValue("product")
		if _, err := strconv.Atoi(product); err != nil {
			http.NotFound(answer, request)
			return
		}
		send(answer, http.StatusOK, reviewsOf(product, request.Header))
	})
	return mux
}

func reviewsOf(product string, incoming http.Header) reviewsOfBook {
	found := reviewsOfBook{
		ID:          product,
		PodName:     setting("HOSTNAME", "null"),
		ClusterName: setting("CLUSTER_NAME", "null"),
		Reviews:     append([]review{}, texts...),
	}
	if enabled, err := strconv.ParseBool(setting("ENABLE_RATINGS", "false")); err != nil || !enabled {
		return found
	}
	color := setting("STAR_COLOR", "black")
	given := ratingsOf(product, incoming, color)
	for index, each := range found.Reviews {
		number, rated := given[each.Reviewer]
		if rated {
			found.Reviews[index].Rating = &stars{Stars: number, Color: color}
		} else {
			found.Reviews[index].Rating = &stars{Error: "Ratings service is currently unavailable"}
		}
	}
	return found
}

func ratingsOf(product string, incoming http.Header, color string) map[string]int {
	service := upstream{name: "ratings", timeout: patience}
	if color != "black" {
		service.timeout = redPatience
	}
	headers := forwarded(incoming)
	if user := incoming.Get(endUser); user != "" {
		headers.Set(endUser, user)
	}
	var content rating
	if _, err := service.ask(product, headers, &content); err != nil {
		log.Print("Error: unable to contact ", service.address(), "/ratings: ", err)
		return nil
	}
	return content.Ratings
}
