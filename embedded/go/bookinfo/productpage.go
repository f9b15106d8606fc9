package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	pageTimeout   = 3 * time.Second
	reviewsTries  = 2
	sessionCookie = "session"
)

var (
	//go:embed page
	files embed.FS
	pages = template.Must(template.New("").Funcs(template.FuncMap{"times": times}).ParseFS(files, "page/*.html"))
	// sessionKey is as public as upstream's: a cookie here is a name tag, no secret.
	sessionKey = []byte("bookinfo")
)

type product struct {
	ID          int           `json:"id"`
	Title       string        `json:"title"`
	Description template.HTML `json:"descriptionHtml"`
}

var products = []product{{
	ID:    0,
	Title: "The Comedy of Errors",
	Description: `<a href="https://en.wikipedia.org/wiki/The_Comedy_of_Errors">Wikipedia Summary</a>: The Comedy of Errors is ` +
		`one of <b>William Shakespeare's</b> early plays. It is his shortest and one of his most farcical comedies, with a ` +
		`major part of the humour coming from slapstick and mistaken identity, in addition to puns and word play.`,
}}

// sorry is what a caller gets in the place of another service's answer.
type sorry struct {
	Error string `json:"error"`
}

type page struct {
	counts counter
}

func productpage() http.Handler {
	service := &page{counts: counter{numbers: map[string]int{}}}
	static, err := fs.Sub(files, "page/static")
	if err != nil {
		panic(err) // what is embedded is there
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", index)
	mux.HandleFunc("GET /index.html", index)
	mux.HandleFunc("GET /health", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(answer, "Product page is healthy")
	})
	mux.HandleFunc("POST /login", login)
	mux.HandleFunc("GET /logout", logout)
	mux.HandleFunc("GET /productpage", service.front)
	mux.HandleFunc("GET /api/v1/products", func(answer http.ResponseWriter, _ *http.Request) {
		send(answer, http.StatusOK, products)
	})
	mux.HandleFunc("GET /api/v1/products/{product}", service.part((*page).details))
	mux.HandleFunc("GET /api/v1/products/{product}/reviews", service.part((*page).reviews))
	mux.HandleFunc("GET /api/v1/products/{product}/ratings", service.part((*page).ratings))
	mux.HandleFunc("GET /metrics", service.counts.metrics)
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	return mux
}

func index(answer http.ResponseWriter, _ *http.Request) {
	render(answer, "index.html", nil)
}

func (p *page) front(answer http.ResponseWriter, request *http.Request) {
	headers := pageHeaders(request)
	detailsStatus, details := p.details("0", headers)
	reviewsStatus, reviews := p.reviews("0", headers)
	render(answer, "productpage.html", map[string]any{
		"Product": products[0], "User": user(request),
		"DetailsStatus": detailsStatus, "Details": details,
		"ReviewsStatus": reviewsStatus, "Reviews": reviews,
	})
}

func (p *page) part(ask func(*page, string, http.Header) (int, any)) http.HandlerFunc {
	return func(answer http.ResponseWriter, request *http.Request) {
		status, content := ask(p, request.PathValue("product"), pageHeaders(request))
		send(answer, status, content)
	}
}

func (p *page) details(product string, headers http.Header) (int, any) {
	var content book
	status, err := p.ask("details", product, headers, &content)
	if err != nil {
		return status, sorry{"Sorry, product details are currently unavailable for this book."}
	}
	return status, content
}

// reviews asks twice, three seconds each: the mistake that Istio's task on injected faults is about.
func (p *page) reviews(product string, headers http.Header) (int, any) {
	status := 0
	for range reviewsTries {
		var content reviewsOfBook
		var err error
		if status, err = p.ask("reviews", product, headers, &content); err == nil {
			return status, content
		}
	}
	return status, sorry{"Sorry, product reviews are currently unavailable for this book."}
}

func (p *page) ratings(product string, headers http.Header) (int, any) {
	var content rating
	status, err := p.ask("ratings", product, headers, &content)
	if err != nil {
		return status, sorry{"Sorry, product ratings are currently unavailable for this book."}
	}
	return status, content
}

func (p *page) ask(service, product string, headers http.Header, content any) (int, error) {
	status, err := upstream{name: service, timeout: pageTimeout}.ask(product, headers, content)
	if err != nil {
		log.Print(err)
	}
	p.counts.add(service, status)
	return status, err
}

// pageHeaders are those handed on; the user is who has logged in, whatever a header says.
func pageHeaders(request *http.Request) http.Header {
	headers := forwarded(request.Header)
	if name := user(request); name != "" {
		headers.Set(endUser, name)
	}
	return headers
}

func login(answer http.ResponseWriter, request *http.Request) {
	name := base64.RawURLEncoding.EncodeToString([]byte(request.FormValue("username")))
	http.SetCookie(answer, &http.Cookie{Name: sessionCookie, Value: name + "." + signature(name), Path: "/", HttpOnly: true})
	back(answer, request)
}

func logout(answer http.ResponseWriter, request *http.Request) {
	http.SetCookie(answer, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true})
	back(answer, request)
}

func back(answer http.ResponseWriter, request *http.Request) {
	target := request.Referer()
	if target == "" {
		target = "/productpage"
	}
	http.Redirect(answer, request, target, http.StatusFound)
}

// user is who has logged in; empty where nobody has.
func user(request *http.Request) string {
	cookie, err := request.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	name, signed, _ := strings.Cut(cookie.Value, ".")
	if !hmac.Equal([]byte(signed), []byte(signature(name))) {
		return ""
	}
	decoded, err := base64.RawURLEncoding.DecodeString(name)
	if err != nil {
		return ""
	}
	return string(decoded)
}

func signature(text string) string {
	code := hmac.New(sha256.New, sessionKey)
	code.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(code.Sum(nil))
}

func render(answer http.ResponseWriter, name string, content any) {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, content); err != nil {
		http.Error(answer, err.Error(), http.StatusInternalServerError)
		return
	}
	answer.Header().Set("Content-Type", "text/html; charset=utf-8")
	if _, err := body.WriteTo(answer); err != nil {
		log.Print(err)
	}
}

// times is a range for templates, which count nothing themselves.
func times(number int) []struct{} {
	return make([]struct{}, max(number, 0))
}

// counter is the one metric that upstream's page has of its own.
type counter struct {
	lock    sync.Mutex
	numbers map[string]int
}

func (c *counter) add(service string, status int) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.numbers[fmt.Sprintf(`destination_app="%s",response_code="%d"`, service, status)]++
}

func (c *counter) metrics(answer http.ResponseWriter, _ *http.Request) {
	c.lock.Lock()
	defer c.lock.Unlock()
	answer.Header().Set("Content-Type", "text/plain; version=0.0.4")
	fmt.Fprint(answer, "# HELP request_result_total Results of requests\n# TYPE request_result_total counter\n")
	for labels, number := range c.numbers {
		fmt.Fprintf(answer, "request_result_total{%s} %d\n", labels, number)
	}
}
