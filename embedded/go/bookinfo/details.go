package main

import (
	"net/http"
	"strconv"
)

type book struct {
	ID        int    `json:"id"`
	Author    string `json:"author"`
	Year      int    `json:"year"`
	Type      string `json:"type"`
	Pages     int    `json:"pages"`
	Publisher string `json:"publisher"`
	Language  string `json:"language"`
	ISBN10    string `json:"ISBN-10"`
	ISBN13    string `json:"ISBN-13"`
}

func details() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/health", healthy("Details"))
	mux.HandleFunc("/details/{product...}", func(answer http.ResponseWriter, request *http.Request) {
		id, err := strconv.Atoi(request.PathValue("product"))
		if err != nil {
			send(answer, http.StatusBadRequest, map[string]string{"error": "please provide numeric product id"})
			return
		}
		send(answer, http.StatusOK, book{
			ID: id, Author: "William Shakespeare", Year: 1595, Type: "paperback", Pages: 200, Publisher: "PublisherA",
			Language: "English", ISBN10: "1234567890", ISBN13: "123-1234567890",
		})
	})
	return mux
}
